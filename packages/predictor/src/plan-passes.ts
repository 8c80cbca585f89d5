import { invalidOption } from '@thermocline/contracts';
import { HELD_OUT_EVERY } from './held-out.js';
import { readableBytes } from './readable-size.js';
import type { TrainRun } from './train-run.js';

/** Which hidden state goes with the firings of a layer. */
export type View = 'same-layer' | 'previous-layer';

/** Reading the texts once, for the samples of some layers. */
export interface SamplePass {
  /** Of its folder. */
  name: string;
  layers: number[];
  /** Tokens to read, what is held out included. */
  tokens: number;
}

/** Widths are chosen on this many tokens. */
export const SIZING_TOKENS = 18_432;
/** Kept free, as texts may fire more than the profile's. */
const RESERVE = 0.05;

/** What is needed of a layer. With lookahead, its own state too: to tell what looking ahead costs. */
export function viewsOf({ lookahead }: TrainRun, layer: number): View[] {
  return lookahead && layer > 0 ? ['previous-layer', 'same-layer'] : ['same-layer'];
}

/** Bytes that a token of a layer is expected to take in the cache. */
export function sampleBytes(run: TrainRun, layer: number): number {
  const { model, statistics, firesAbove, profile } = run;
  const neurons = model.n_ff[layer] as number;
  // Where a profile's threshold is not used, everything counts as firing.
  const all = (profile.layers[layer]?.threshold ?? 0) > (firesAbove[layer] as number);
  const firing = neurons * (all ? 1 : (statistics[layer]?.density ?? 1));
  return viewsOf(run, layer).length * (2 * model.d_model + Math.ceil(neurons / 8) + 2 * firing + 8);
}

/**
 * Passes over the texts so that the samples of each fit the cache. Where a single layer does not,
 * fewer tokens are read.
 */
export function planPasses(run: TrainRun, layers: readonly number[]): SamplePass[] {
  const room = run.cacheBytes * (1 - RESERVE);
  const largest = Math.max(0, ...layers.map((layer) => sampleBytes(run, layer)));
  const tokens = Math.min(run.tokens, Math.floor(room / largest));
  requireRoom(run, tokens, largest);
  const passes: SamplePass[] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const layer of layers) {
    const bytes = tokens * sampleBytes(run, layer);
    if (used + bytes > room) {
      passes.push({ name: passes.length === 0 ? 'first' : `from-${layer}`, layers: [], tokens });
      used = 0;
    }
    passes.at(-1)?.layers.push(layer);
    used += bytes;
  }
  return passes;
}

/** Less than a token for each window that is held out and those between is nothing to train on. */
function requireRoom(run: TrainRun, fitting: number, perToken: number): void {
  if (fitting >= Math.min(HELD_OUT_EVERY, run.tokens)) return;
  const reason =
    `is too small: ${readableBytes(run.cacheBytes)} hold the samples of ${fitting} tokens, ` +
    `each of which takes ${readableBytes(perToken)}. Give more room (--cache)`;
  throw invalidOption('cacheBytes', reason);
}

/** Says when the cache is too small for what was asked. */
export function noteFewerTokens(run: TrainRun, passes: readonly SamplePass[]): void {
  const tokens = passes[0]?.tokens ?? run.tokens;
  if (tokens >= run.tokens) return;
  const allowed = readableBytes(run.cacheBytes);
  run.options.onNotice?.(
    `The samples of a single layer do not fit the ${allowed} allowed for them: ${tokens} tokens are read instead of ${run.tokens}.`,
  );
}

/** A short pass for the choice of widths, with all layers at once. */
export function planSizing(run: TrainRun, layers: readonly number[]): SamplePass {
  const perToken = layers.reduce((sum, layer) => sum + sampleBytes(run, layer), 0);
  const fitting = Math.floor((run.cacheBytes * (1 - RESERVE)) / perToken);
  requireRoom(run, fitting, perToken);
  return {
    name: 'sizing',
    layers: [...layers],
    tokens: Math.min(run.tokens, SIZING_TOKENS, fitting),
  };
}
