import { describe, expect, it } from 'vitest';
import type { ActivationSource, ObservationBatch, TokenWindow } from '../activation-source.js';
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
    });
  });
}
