import { join } from 'node:path';
import { PipelineError, type SampleSet, type TokenWindow } from '@thermocline/contracts';
import { HELD_OUT_EVERY, isHeldOut } from './held-out.js';
import { type SamplePass, sampleBytes, type View, viewsOf } from './plan-passes.js';
import { SampleRows } from './sample-rows.js';
import type { TrainRun } from './train-run.js';
import { damaged, type WorkFolder } from './work-folder.js';
import { rowsOfFiles, sampleFiles, writeSamples } from './write-samples.js';

/** What is packed in memory before it is written, and read again after a kill. */
const CHUNK_ROWS = 2048;
const CHUNK_BYTES = 2 ** 28;
const PARTS = ['train', 'heldOut'] as const;
type Part = (typeof PARTS)[number];

/** Samples on disk. */
export interface Samples {
  /** Those of one layer; `rows`: no more than about so many. */
  of(layer: number, view: View, rows?: Partial<Record<Part, number>>): Record<Part, SampleSet>;
}

/** How far a pass has come. */
interface Progress {
  complete: boolean;
  /** Σ written. */
  bytes: number;
  parts: Record<Part, { windows: number; rows: number; files: number[] }>;
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
    requireEnough(run, progress);
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

/** Windows that are not on disk yet, and what they are for. */
async function* splitWindows(
  run: TrainRun,
  pass: SamplePass,
  progress: Progress,
): AsyncGenerator<{ part: Part; window: TokenWindow }> {
  const { heldOutWindows } = run.options;
  const skip = { train: progress.parts.train.windows, heldOut: progress.parts.heldOut.windows };
  const enough = heldOutWindows ? pass.tokens * (1 - 1 / HELD_OUT_EVERY) : pass.tokens;
  let index = 0;
  for await (const window of firstTokens(run.options.windows(), enough)) {
    const part = !heldOutWindows && isHeldOut(index++) ? 'heldOut' : 'train';
    if (skip[part]-- <= 0) yield { part, window };
  }
  if (!heldOutWindows) return;
  for await (const window of firstTokens(heldOutWindows(), pass.tokens / HELD_OUT_EVERY)) {
    if (skip.heldOut-- <= 0) yield { part: 'heldOut', window };
  }
}

async function* firstTokens(
  windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
  budget: number,
): AsyncGenerator<TokenWindow> {
  let left = Math.floor(budget);
  for await (const window of windows) {
    const { length } = window.tokens;
    if (length === 0) continue;
    yield length <= left ? window : { ...window, tokens: Array.from(window.tokens).slice(0, left) };
    left -= length;
    if (left <= 0) return;
  }
}

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

function requireEnough(run: TrainRun, { parts }: Progress): void {
  const { train, heldOut } = parts;
  if (train.rows > 0 && heldOut.rows > 0) return;
  const path = (run.options.corpora ?? []).map(({ name }) => name).join(', ') || 'The corpus';
  const reason =
    train.rows === 0
      ? 'holds no tokens to train on'
      : `gives ${train.windows} windows, too few to hold any out; predictors need at least ${HELD_OUT_EVERY}`;
  const message = `${path} ${reason}. Name more text, or cut it into shorter windows (--context).`;
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

const progressFile = (pass: SamplePass) => join('samples', pass.name, 'collected.json');

async function readProgress(folder: WorkFolder, pass: SamplePass): Promise<Progress> {
  const file = progressFile(pass);
  const saved = await folder.readJson(file);
  const empty = () => ({ windows: 0, rows: 0, files: [] as number[] });
  if (saved === undefined) {
    return { complete: false, bytes: 0, parts: { train: empty(), heldOut: empty() } };
  }
  if (isProgress(saved)) return saved;
  throw damaged(join(folder.path, file), 'is not what a trainer writes');
}

async function saveProgress(folder: WorkFolder, pass: SamplePass, progress: Progress) {
  await folder.writeJson(progressFile(pass), progress);
}

function isProgress(value: unknown): value is Progress {
  const isCount = (number: unknown) => Number.isSafeInteger(number) && (number as number) >= 0;
  const { complete, bytes, parts } = (value ?? {}) as Partial<Progress>;
  if (typeof complete !== 'boolean' || !isCount(bytes)) return false;
  return PARTS.every((part) => {
    const { windows, rows, files } = parts?.[part] ?? {};
    return isCount(windows) && isCount(rows) && Array.isArray(files) && files.every(isCount);
  });
}
