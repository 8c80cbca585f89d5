import {
  type ActivationSource,
  checkWhole,
  hasExactZeros,
  invalidOption,
  type TokenWindow,
} from '@thermocline/contracts';
import { plantedRates } from './planted-rates.js';
import { Random } from './random.js';
import { type PlantOptions, resolveRecipe } from './recipe.js';

export interface CheckRatesOptions {
  /** Tokens to read; 4096. */
  tokens?: number;
  signal?: AbortSignal;
}

/** Mean rates of some neurons. */
export interface RatePair {
  planted: number;
  measured: number;
  /** measured ÷ planted − 1 */
  deviation: number;
}

/** What was planted, and what a model does. */
export interface RateCheck {
  tokens: number;
  /** Tenths of all neurons by planted rate, hottest first. [10] */
  deciles: RatePair[];
  /** [layers] */
  layers: RatePair[];
  /** The largest deviation of all, without its sign. */
  worst: number;
}

const WINDOW = 64;

/**
 * Reads random token ids with a synthetic model and compares how often its neurons fire with what
 * was planted.
 *
 * @param source - the model, computing densely or in any mode that changes no activation
 * @throws PipelineError `INVALID_ARGUMENT` for options, and for models whose neurons have no zeros
 *
 * @example
 * const { worst } = await checkRates(engine, 'bamboo-7b', { seed: 1 });
 */
export async function checkRates(
  source: ActivationSource,
  shape: string,
  options: PlantOptions,
  { tokens = 4096, signal }: CheckRatesOptions = {},
): Promise<RateCheck> {
  checkWhole('tokens', tokens, 1, 1 << 26);
  const { seed } = resolveRecipe(shape, options);
  if (!hasExactZeros(source.model)) {
    const reason = `has no rates to check: with ${source.model.activation} no neuron is ever at zero`;
    throw invalidOption('model', reason);
  }
  const rates = plantedRates(shape, options);
  const windows = randomWindows(source.model.vocab, tokens, seed);
  const { fires } = await source.sum(windows, signal ? { signal } : {});
  const measured = fires.map((layer) =>
    Float64Array.from(layer, (count) => Number(count) / tokens),
  );
  const layers = rates.map((planted, layer) => pair(planted, measured[layer] as Float64Array));
  const deciles = decilesOf(flat(rates), flat(measured));
  const deviations = [...deciles, ...layers].map(({ deviation }) => Math.abs(deviation));
  return { tokens, deciles, layers, worst: Math.max(...deviations) };
}

function* randomWindows(vocab: number, tokens: number, seed: number): Generator<TokenWindow> {
  const random = new Random(seed, 'tokens to read');
  for (let left = tokens, document = 0; left > 0; left -= WINDOW, document++) {
    const ids = Int32Array.from({ length: Math.min(WINDOW, left) }, () => random.below(vocab));
    yield { tokens: ids, document, position: 0 };
  }
}

function decilesOf(planted: Float64Array, measured: Float64Array): RatePair[] {
  const order = Uint32Array.from(planted, (_, neuron) => neuron);
  order.sort((a, b) => (planted[b] as number) - (planted[a] as number));
  return Array.from({ length: 10 }, (_, tenth) => {
    const [from, to] = [tenth, tenth + 1].map((n) => Math.round((n * order.length) / 10));
    const chosen = order.subarray(from, to);
    return pair(pick(planted, chosen), pick(measured, chosen));
  });
}

function pair(planted: Float64Array, measured: Float64Array): RatePair {
  const [expected, found] = [mean(planted), mean(measured)];
  return { planted: expected, measured: found, deviation: found / expected - 1 };
}

function pick(values: Float64Array, indices: Uint32Array): Float64Array {
  return Float64Array.from(indices, (index) => values[index] as number);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function flat(layers: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(layers.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const layer of layers) {
    all.set(layer, at);
    at += layer.length;
  }
  return all;
}
