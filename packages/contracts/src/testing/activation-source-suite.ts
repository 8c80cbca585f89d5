import { describe, expect, it } from 'vitest';
import { MAGNITUDE_BINS, magnitudeBinStart } from '../activation-profile.js';
import type { ActivationSource, ObservationBatch, TokenWindow } from '../activation-source.js';
import { mergeSketches, SKETCH_EMPTY, SKETCH_HASHES, tokenHash } from '../coactivation.js';
import { isPipelineError } from '../errors.js';

export interface ActivationSourceSuiteOptions {
  /** The source, opened before the first test runs and closed after the last. */
  source(): ActivationSource;
  /** A text of at least eight tokens. */
  text: string;
}

/**
 * What every `ActivationSource` owes its users; call it at the top of a test file.
 *
 * @example
 * activationSourceSuite('my source', { source: () => mine, text: 'Once upon a time' });
 */
export function activationSourceSuite(name: string, options: ActivationSourceSuiteOptions): void {
  describe(`${name}: activation source suite`, () => {
    /** The text as windows of four tokens, and a second document. */
    async function makeWindows(): Promise<TokenWindow[]> {
      const tokens = await options.source().tokenize(options.text);
      const windows: TokenWindow[] = [];
      for (let position = 0; position < tokens.length; position += 4) {
        windows.push({ tokens: tokens.subarray(position, position + 4), document: 0, position });
      }
      return [...windows, { tokens: tokens.subarray(0, 3), document: 1, position: 0 }];
    }

    async function collect(batches: AsyncIterable<ObservationBatch>) {
      const all: ObservationBatch[] = [];
      for await (const batch of batches) all.push(batch);
      return all;
    }

    /** All activations of each layer, with the labels of their rows. */
    async function activations(windows: readonly TokenWindow[]): Promise<ObservationBatch[][]> {
      const batches = await collect(options.source().observe(windows, { streams: ['activation'] }));
      return options
        .source()
        .model.n_ff.map((_, layer) => batches.filter((batch) => batch.layer === layer));
    }

    it('labels every row and hands out each once, in reading order', async () => {
      const source = options.source();
      const windows = await makeWindows();
      const labels = windows.flatMap(({ tokens, document, position }) =>
        Array.from(tokens, (_, i) => `${document}:${position + i}`),
      );
      const { layers, d_model, n_ff } = source.model;
      const last = layers - 1;
      const batches = await collect(
        source.observe(windows, { layers: [last], streams: ['residual', 'activation'] }),
      );
      for (const [stream, width] of [
        ['residual', d_model],
        ['activation', n_ff[last]],
      ] as const) {
        const own = batches.filter((batch) => batch.stream === stream);
        for (const batch of own) {
          expect(batch.layer).toBe(last);
          expect(batch.width).toBe(width);
          expect(batch.values).toHaveLength(batch.positions.length * batch.width);
        }
        const seen = own.flatMap(({ documents, positions }) =>
          Array.from(positions, (position, i) => `${documents[i]}:${position}`),
        );
        expect(seen).toEqual(labels);
      }
    });

    it('sums what it hands out', async () => {
      const source = options.source();
      const windows = await makeWindows();
      const batches = await collect(source.observe(windows, { streams: ['activation'] }));
      const sums = await source.sum(windows);
      const tokens = windows.reduce((total, window) => total + window.tokens.length, 0);
      for (const [layer, neurons] of source.model.n_ff.entries()) {
        const fires = new Array<number>(neurons).fill(0);
        const absSum = new Array<number>(neurons).fill(0);
        for (const { values } of batches.filter((batch) => batch.layer === layer)) {
          for (const [i, value] of values.entries()) {
            fires[i % neurons] = (fires[i % neurons] as number) + (value !== 0 ? 1 : 0);
            absSum[i % neurons] = (absSum[i % neurons] as number) + Math.abs(value);
          }
        }
        expect(sums.tokens[layer]).toBe(tokens);
        expect(Array.from(sums.fires[layer] ?? [], Number)).toEqual(fires);
        for (const [i, sum] of absSum.entries()) {
          expect(sums.absSum[layer]?.[i]).toBeCloseTo(sum, 6);
        }
      }
    });

    it('counts firings above a threshold where one is set', async () => {
      const source = options.source();
      const windows = await makeWindows();
      const observed = await activations(windows);
      const thresholds = observed.map((batches) =>
        middle(batches.flatMap(({ values }) => Array.from(values, Math.abs))),
      );
      const [plain, above] = [await source.sum(windows), await source.sum(windows, { thresholds })];
      for (const [layer, batches] of observed.entries()) {
        const threshold = thresholds[layer] as number;
        const fires = columns(batches).map((column) => count(column, (h) => h > threshold));
        expect(Array.from(above.fires[layer] ?? [], Number)).toEqual(fires);
      }
      expect(above.absSum).toEqual(plain.absSum);
      const zeros = source.model.n_ff.map(() => 0);
      expect(await source.sum(windows, { thresholds: zeros })).toEqual(plain);
    });

    it('adds up over calls', async () => {
      const source = options.source();
      const windows = await makeWindows();
      const whole = await source.sum(windows);
      const parts = [await source.sum(windows.slice(0, 1)), await source.sum(windows.slice(1))];
      for (const layer of source.model.n_ff.keys()) {
        const added = <T extends number | bigint>(
          pick: (sums: (typeof parts)[0]) => ArrayLike<T>,
        ) =>
          parts
            .map((part) => Array.from(pick(part)))
            .reduce((a, b) => a.map((x, i) => plus(x, b[i])));
        expect(parts.reduce((sum, { tokens }) => sum + (tokens[layer] as number), 0)).toBe(
          whole.tokens[layer],
        );
        expect(added((sums) => sums.fires[layer] ?? [])).toEqual(
          Array.from(whole.fires[layer] ?? []),
        );
        expect(added((sums) => sums.magnitudes?.[layer] ?? [])).toEqual(
          Array.from(whole.magnitudes?.[layer] ?? []),
        );
        for (const [i, sum] of added((sums) => sums.absSum[layer] ?? []).entries()) {
          expectNear(sum, whole.absSum[layer]?.[i]);
        }
      }
    });

    it('sorts magnitudes into the fixed bins', async ({ skip }) => {
      const windows = await makeWindows();
      const { magnitudes } = await options.source().sum(windows);
      if (magnitudes === undefined) return skip('this source gives no magnitudes');
      for (const [layer, batches] of (await activations(windows)).entries()) {
        const bins = new Array<number>(MAGNITUDE_BINS).fill(0);
        for (const value of batches.flatMap(({ values }) => Array.from(values, Math.abs))) {
          let bin = 0;
          while (bin + 1 < MAGNITUDE_BINS && value >= magnitudeBinStart(bin + 1)) bin++;
          bins[bin] = (bins[bin] as number) + 1;
        }
        expect(Array.from(magnitudes[layer] ?? [], Number)).toEqual(bins);
      }
    });

    it('weighs the contribution of a neuron by one length, whatever it reads', async ({ skip }) => {
      const source = options.source();
      const windows = await makeWindows();
      const [first, all] = [await source.sum(windows.slice(0, 1)), await source.sum(windows)];
      if (all.contribution === undefined) return skip('this source does not know its weights');
      for (const [layer, neurons] of source.model.n_ff.entries()) {
        const contribution = all.contribution[layer] as Float64Array;
        expect(contribution).toHaveLength(neurons);
        for (const [i, value] of contribution.entries()) {
          const sum = all.absSum[layer]?.[i] as number;
          expect(value).toBeGreaterThanOrEqual(0);
          if (sum === 0) expect(value).toBe(0);
          else
            expectNear(
              first.contribution?.[layer]?.[i],
              (first.absSum[layer]?.[i] as number) * (value / sum),
            );
        }
      }
    });

    it('keeps the smallest token hashes of each neuron', async ({ skip }) => {
      const source = options.source();
      const windows = await makeWindows();
      const salt = 0xfedc_ba98;
      const { coactivation } = await source.sum(windows, { sketch: { salt } });
      expect((await source.sum(windows)).coactivation).toBeUndefined();
      if (coactivation === undefined) return skip('this source makes no sketches');
      const merged = (await source.sum(windows.slice(0, 1), { sketch: { salt } })).coactivation;
      const rest = (await source.sum(windows.slice(1), { sketch: { salt } })).coactivation;
      for (const [layer, batches] of (await activations(windows)).entries()) {
        const hashes = batches.flatMap(({ documents, positions }) =>
          Array.from(positions, (at, i) => tokenHash(salt, documents[i] as number, at)),
        );
        const sketches = columns(batches).map((column) => smallest(column, hashes));
        expect(Array.from(coactivation[layer] ?? [])).toEqual(sketches.flat());
        mergeSketches(merged?.[layer] as Uint32Array, rest?.[layer] as Uint32Array);
        expect(merged?.[layer]).toEqual(coactivation[layer]);
      }
    });

    it('adds special tokens to a text when asked, and none otherwise', async () => {
      const source = options.source();
      const plain = await source.tokenize(options.text);
      expect(await source.tokenize(options.text, { addSpecial: false })).toEqual(plain);
      const special = await source.tokenize(options.text, { addSpecial: true });
      expect(special.length - plain.length).toBeLessThanOrEqual(2);
      // At its ends, and nothing within it changes.
      expect(`,${special.join()},`).toContain(`,${plain.join()},`);
    });

    it('waits for its reader', async () => {
      const windows = await makeWindows();
      let taken = 0;
      function* counted() {
        for (const window of windows) {
          taken++;
          yield window;
        }
      }
      const observing = options.source().observe(counted(), {
        layers: [0],
        streams: ['residual'],
        maxBufferedRows: 1,
      });
      for await (const _ of observing) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        // One window is with the reader, one fills the queue, one is being read.
        expect(taken).toBeLessThanOrEqual(3);
        break;
      }
      expect(taken).toBeLessThan(windows.length);
    });

    it('passes on what goes wrong', async () => {
      const source = options.source();
      const [window] = (await makeWindows()) as [TokenWindow];
      const mine = new Error('no more text');
      async function* broken() {
        yield window;
        throw mine;
      }
      await expect(collect(source.observe(broken(), { streams: ['residual'] }))).rejects.toBe(mine);
      await expect(source.sum(broken())).rejects.toBe(mine);
      const aborted = { streams: ['residual'] as const, signal: AbortSignal.abort() };
      const error = await collect(source.observe([window], aborted)).catch((e: unknown) => e);
      expect(isPipelineError(error, 'ABORTED')).toBe(true);
      const summing = source.sum([window], { signal: AbortSignal.abort() });
      expect(isPipelineError(await summing.catch((e: unknown) => e), 'ABORTED')).toBe(true);
    });
  });
}

/** |h| of each neuron over all rows. */
function columns(batches: readonly ObservationBatch[]): number[][] {
  const width = batches[0]?.width ?? 0;
  const all: number[][] = Array.from({ length: width }, () => []);
  for (const { values } of batches) {
    for (const [i, value] of values.entries()) all[i % width]?.push(Math.abs(value));
  }
  return all;
}

function count(values: readonly number[], fires: (h: number) => boolean): number {
  return values.filter(fires).length;
}

/** The smallest hashes of the tokens that made a neuron fire. */
function smallest(column: readonly number[], hashes: readonly number[]): number[] {
  const fired = new Set(hashes.filter((_, i) => column[i] !== 0));
  const sorted = [...fired].sort((a, b) => a - b).slice(0, SKETCH_HASHES);
  return [...sorted, ...Array<number>(SKETCH_HASHES - sorted.length).fill(SKETCH_EMPTY)];
}

/** Halfway between two neighbours among the values that are not zero. */
function middle(values: readonly number[]): number {
  const sorted = values.filter((value) => value !== 0).sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return ((sorted[at - 1] ?? 0) + (sorted[at] ?? 0)) / 2;
}

function plus<T extends number | bigint>(a: T, b: T | undefined): T {
  return ((a as number) + (b as number)) as T;
}

function expectNear(value: number | undefined, expected: number | undefined): void {
  expect(Math.abs((value ?? Number.NaN) - (expected ?? Number.NaN))).toBeLessThanOrEqual(
    1e-9 * Math.abs(expected ?? Number.NaN),
  );
}
