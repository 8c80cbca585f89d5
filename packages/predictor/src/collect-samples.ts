import { join } from 'node:path';
import {
  invalidOption,
  PipelineError,
  type SampleSet,
  type TokenWindow,
} from '@thermocline/contracts';
import { PARTS, type Part, type Progress, readProgress, saveProgress } from './collect-progress.js';
import { HELD_OUT_EVERY } from './held-out.js';
import { type SamplePass, SIZING_TOKENS, sampleBytes, type View, viewsOf } from './plan-passes.js';
import { readableBytes } from './readable-size.js';
import { SampleRows } from './sample-rows.js';
import { splitWindows } from './split-windows.js';
import type { TrainRun } from './train-run.js';
import type { WorkFolder } from './work-folder.js';
import { rowsOfFiles, sampleFiles, writeSamples } from './write-samples.js';

/** What is packed in memory before it is written, and read again after a kill. */
const CHUNK_ROWS = 2048;
const CHUNK_BYTES = 2 ** 28;

/** Samples on disk. */
export interface Samples {
  /** Those of one layer; `rows`: no more than about so many. */
  of(layer: number, view: View, rows?: Partial<Record<Part, number>>): Record<Part, SampleSet>;
}

/**
 * Lets the model read and keeps, for every layer of a pass, the hidden states and what fired on
 * them. Files are complete or not there; after a kill it goes on behind the last ones.
 *
 * @throws PipelineError `CORPUS_INVALID` when there is too little text, `MODEL_CORRUPT`, `IO_ERROR`,
 * `ABORTED`
 */
export async function collectSamples(
  run: TrainRun,
  folder: WorkFolder,
  pass: SamplePass,
): Promise<Samples> {
  const progress = await readProgress(folder, pass);
  if (!progress.complete) {
    await readPass(run, folder, pass, progress);
    requireEnough(run, pass, progress);
    progress.complete = true;
    await saveProgress(folder, pass, progress);
    run.options.onProgress?.({ phase: 'collect', fraction: 1 });
  }
  return {
    of(layer, view, most = {}) {
      const set = (part: Part): SampleSet => {
        const { files } = progress.parts[part];
        const count = filesWith(files, most[part] ?? Number.POSITIVE_INFINITY);
        return {
          files: sampleFiles(partFolder(folder, pass, view, part), layer, count),
          norms: run.norms[layer] as Float32Array,
        };
      };
      return { train: set('train'), heldOut: set('heldOut') };
    },
  };
}

async function readPass(
  run: TrainRun,
  folder: WorkFolder,
  pass: SamplePass,
  progress: Progress,
): Promise<void> {
  const { onProgress, onNotice, signal } = run.options;
  const perRow = pass.layers.reduce((sum, layer) => sum + sampleBytes(run, layer), 0);
  const chunkRows = Math.max(1, Math.min(CHUNK_ROWS, Math.floor(CHUNK_BYTES / perRow)));
  const chunks = { train: newChunk(), heldOut: newChunk() };
  const done = () => progress.parts.train.rows + progress.parts.heldOut.rows;
  const report = () =>
    onProgress?.({ phase: 'collect', fraction: Math.min(1, done() / pass.tokens) });
  const flush = async (part: Part) => {
    const chunk = chunks[part];
    chunks[part] = newChunk();
    if (chunk.windows.length === 0) return;
    await writeChunk(run, folder, pass, part, chunk.windows, progress);
    await saveProgress(folder, pass, progress);
    report();
  };
  report();
  for await (const { part, window } of splitWindows(run, pass, progress)) {
    signal?.throwIfAborted();
    const chunk = chunks[part];
    if (chunk.rows + window.tokens.length > chunkRows) await flush(part);
    chunks[part].windows.push(window);
    chunks[part].rows += window.tokens.length;
    const soon = progress.bytes + perRow * (chunks.train.rows + chunks.heldOut.rows);
    if (soon >= run.cacheBytes) {
      onNotice?.(`The room for samples is used up after about ${done()} of ${pass.tokens} tokens.`);
      break;
    }
  }
  for (const part of PARTS) await flush(part);
}

const newChunk = () => ({ windows: [] as TokenWindow[], rows: 0 });

/** Reads some windows and writes what was seen of every layer. */
async function writeChunk(
  run: TrainRun,
  folder: WorkFolder,
  pass: SamplePass,
  part: Part,
  windows: readonly TokenWindow[],
  progress: Progress,
): Promise<void> {
  const { source, model, options } = run;
  const rows = packers(run, pass);
  const reads = (view: View, layer: number) => (view === 'same-layer' ? layer : layer - 1);
  const layers = new Set(rows.flatMap(({ view, layer }) => [layer, reads(view, layer)]));
  const observed = source.observe(windows, {
    layers: [...layers].sort((a, b) => a - b),
    streams: ['ffn-input', 'activation'],
    ...(options.signal && { signal: options.signal }),
  });
  for await (const batch of observed) {
    for (const { view, layer, samples } of rows) {
      if (batch.stream === 'activation' && batch.layer === layer) samples.addActivations(batch);
      if (batch.stream === 'ffn-input' && batch.layer === reads(view, layer)) {
        samples.addStates(batch);
      }
    }
  }
  const state = progress.parts[part];
  const before = state.files.length;
  let count = 0;
  for (const { view, layer, samples } of rows) {
    const packed = samples.take();
    count = packed.rows;
    const origin = { fingerprint: source.fingerprint, model, layer };
    progress.bytes += await writeSamples(
      partFolder(folder, pass, view, part),
      before,
      packed,
      origin,
    );
  }
  state.files.push(...rowsOfFiles(count));
  state.rows += count;
  state.windows += windows.length;
}

function packers(run: TrainRun, pass: SamplePass) {
  const { model, firesAbove } = run;
  return pass.layers.flatMap((layer) =>
    viewsOf(run, layer).map((view) => {
      const [neurons, threshold] = [model.n_ff[layer] as number, firesAbove[layer] as number];
      return { view, layer, samples: new SampleRows(layer, model.d_model, neurons, threshold) };
    }),
  );
}

function requireEnough(run: TrainRun, pass: SamplePass, { parts }: Progress): void {
  const { train, heldOut } = parts;
  if (train.rows > 0 && heldOut.rows > 0) return;
  const cut = pass.tokens < Math.min(run.tokens, SIZING_TOKENS);
  if (cut && train.rows + heldOut.rows >= pass.tokens) {
    const reason =
      `is too small: ${readableBytes(run.cacheBytes)} hold the samples of ${pass.tokens} tokens, ` +
      'too few to train on some and hold others out. Give more room (--cache)';
    throw invalidOption('cacheBytes', reason);
  }
  const path = (run.options.corpora ?? []).map(({ name }) => name).join(', ') || 'The corpus';
  const reason =
    train.rows === 0
      ? 'holds no tokens to train on'
      : `gives ${train.windows} windows, too few to hold any out; predictors need at least ${HELD_OUT_EVERY}`;
  const message = `${path} ${reason}. Name more text, or cut it into shorter windows (--window).`;
  throw new PipelineError('CORPUS_INVALID', message, { path, reason });
}

/** How many of the files hold so many rows. */
function filesWith(files: readonly number[], rows: number): number {
  let [count, had] = [0, 0];
  while (count < files.length && had < rows) had += files[count++] as number;
  return count;
}

function partFolder(folder: WorkFolder, pass: SamplePass, view: View, part: Part): string {
  return join(folder.samples, pass.name, view, part === 'train' ? 'train' : 'held-out');
}
