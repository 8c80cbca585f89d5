import { join } from 'node:path';
import type { FirstMatrix } from '@thermocline/contracts';
import { invalidOption } from './check-options.js';
import {
  type Candidate,
  type ChosenWidth,
  chooseWidths,
  type LayerChoices,
  overPredictionOf,
  recallOf,
  type WidthProblem,
} from './choose-widths.js';
import { collectSamples, type Samples } from './collect-samples.js';
import { guessWidths } from './guess-widths.js';
import { budgetSize, costOf, measureCandidates } from './measure-candidates.js';
import { planPasses, planSizing } from './plan-passes.js';
import { bytesWithout, neuronBytes } from './token-bytes.js';
import type { WidthChoice } from './train-options.js';
import type { TrainRun } from './train-run.js';
import { damaged, removeSamples, type WorkFolder } from './work-folder.js';

const FILE = 'widths.json';
/** Where more than this share fires, what is left out does not pay for being predicted. */
const DENSE = 0.9;

/**
 * Decides what each layer gets: given widths, those that measurements on a part of the samples
 * suggest, or, where the weights are not shown, those of a rule on sparsity and skew. Kept in the
 * folder, so that a run that goes on trains what it began.
 */
export async function planWidths(run: TrainRun, folder: WorkFolder): Promise<WidthChoice[]> {
  const saved = await folder.readJson(FILE);
  if (saved !== undefined) return checkSaved(saved, run, folder);
  const choices = await decide(run, folder);
  requireBudget(run, choices);
  await folder.writeJson(FILE, choices);
  return choices;
}

async function decide(run: TrainRun, folder: WorkFolder): Promise<WidthChoice[]> {
  const { kind, model, options } = run;
  const layers = [...model.n_ff.keys()];
  if (options.widths) {
    return options.widths.map((rank, layer) =>
      rank === 0
        ? { layer, kind: 'none', reason: 'as given' }
        : { layer, kind, rank, reason: 'as given' },
    );
  }
  if (kind === 'gate') {
    return layers.map((layer) => ({ layer, kind, reason: 'its first matrix is read in any case' }));
  }
  const hopeless = new Map(layers.flatMap((layer) => withoutHope(run, layer)));
  const rest = layers.filter((layer) => !hopeless.has(layer));
  const chosen = new Map((await chooseFor(run, folder, rest)).map((width) => [width.layer, width]));
  return layers.map((layer) => (hopeless.get(layer) ?? chosen.get(layer)) as WidthChoice);
}

function chooseFor(
  run: TrainRun,
  folder: WorkFolder,
  layers: readonly number[],
): WidthChoice[] | Promise<WidthChoice[]> {
  const { kind, options } = run;
  if (layers.length === 0) return [];
  if (kind === 'signs') {
    return layers.map((layer) => ({ layer, kind, reason: 'takes one bit a weight' }));
  }
  if (options.weights === undefined) return guessWidths(run, layers);
  return measureWidths(run, folder, layers);
}

/** A layer in which there is nothing to predict. */
function withoutHope(run: TrainRun, layer: number): [number, WidthChoice][] {
  const { density } = run.statistics[layer] as (typeof run.statistics)[number];
  const percent = `${(100 * density).toFixed(1)} %`;
  const choice = (reason: string): [number, WidthChoice] => [
    layer,
    { layer, kind: 'none', reason },
  ];
  if (density === 0) return [choice('none of its neurons fired for the profile')];
  if (density < DENSE || run.options.everyLayer === true) return [];
  return [choice(`${percent} of its neurons fire: there is little to leave out`)];
}

async function measureWidths(
  run: TrainRun,
  folder: WorkFolder,
  layers: readonly number[],
): Promise<WidthChoice[]> {
  const { options } = run;
  const passes = planPasses(run, layers);
  // Samples of all layers that fit at once serve for training too.
  const [only] = passes;
  const pass = passes.length === 1 && only ? only : planSizing(run, layers);
  const problem = sizingProblem(run);
  let samples: Samples | undefined;
  for (const [index, layer] of layers.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ phase: 'size', layer, fraction: index / layers.length });
    const name = `width-${layer}.json`;
    let candidates = await folder.readJson(name);
    if (!isCandidates(candidates)) {
      samples ??= await collectSamples(run, folder, pass);
      const first = (await readFirst(run, layer)) as FirstMatrix;
      candidates = await measureCandidates(run, samples, layer, first);
      await folder.writeJson(name, candidates);
    }
    problem.layers.push(layerChoices(run, layer, candidates as Candidate[]));
  }
  requirePredictors(run, problem);
  options.onProgress?.({ phase: 'size', fraction: 1 });
  if (pass !== only) await removeSamples(folder, pass.name);
  const chosen = chooseWidths(problem);
  noteShortfall(run, problem, chosen);
  return chosen.map((width, i) =>
    describeWidth(run, layers[i] as number, problem.layers[i] as LayerChoices, width),
  );
}

/** The first matrix of a layer, where the source shows its weights. */
export async function readFirst(run: TrainRun, layer: number): Promise<FirstMatrix | undefined> {
  const { weights, signal } = run.options;
  return weights?.readFirstMatrix(layer, { ...(signal && { signal }) });
}

function sizingProblem(run: TrainRun): WidthProblem & { layers: LayerChoices[] } {
  const bytes = neuronBytes(run.model);
  return {
    layers: [],
    predictedBytes: bytes.predicted,
    firingBytes: bytes.firing,
    budget: budgetSize(run),
    recall: 'recall' in run.target ? run.target.recall : 1,
    overPrediction: run.overPrediction,
  };
}

function layerChoices(run: TrainRun, layer: number, candidates: Candidate[]): LayerChoices {
  const neurons = run.model.n_ff[layer] as number;
  // At the lowest threshold everything is predicted, so what is hit there is what fires.
  const points = candidates.flatMap((candidate) => candidate.points);
  const firing = Math.max(0, ...points.map(({ hits }) => hits));
  const value = Math.max(0, ...points.map((point) => point.value));
  return { candidates, firing, value, bytesWithout: bytesWithout(run.model, neurons, firing) };
}

/**
 * Layers in which a predictor pays get one, though it may be narrow: left without, a layer reads its
 * first matrix in full. Where the budget is too small even for that, some have to go without.
 */
function requirePredictors(
  run: TrainRun,
  problem: WidthProblem & { layers: LayerChoices[] },
): void {
  const pays = (layer: LayerChoices) => run.options.everyLayer === true || paysIn(problem, layer);
  const paying = problem.layers.map((layer) =>
    pays(layer) ? layer : { ...layer, candidates: [] },
  );
  const narrowest = paying.reduce((sum, { candidates }) => sum + (candidates[0]?.size ?? 0), 0);
  const room = run.options.everyLayer === true || narrowest <= problem.budget;
  problem.layers = paying.map((layer) =>
    room && layer.candidates.length > 0
      ? { ...layer, bytesWithout: Number.POSITIVE_INFINITY }
      : layer,
  );
}

/** Whether some predictor, however wide, finds what it should and reads less than it saves. */
function paysIn(problem: WidthProblem, { candidates, value, bytesWithout: without }: LayerChoices) {
  return candidates.some(({ bytes, points }) =>
    points.some(
      (point) =>
        point.value >= problem.recall * value &&
        bytes + point.predicted * problem.predictedBytes + point.hits * problem.firingBytes <
          without,
    ),
  );
}

function describeWidth(
  run: TrainRun,
  layer: number,
  { candidates, firing, value }: LayerChoices,
  { candidate, point, bytes }: ChosenWidth,
): WidthChoice {
  const without = bytesWithout(run.model, run.model.n_ff[layer] as number, firing);
  if (candidate === undefined || point === undefined) {
    const reason =
      candidates.length > 0
        ? 'the budget holds no predictor for it'
        : 'no predictor reads less than it saves';
    return { layer, kind: 'none', reason, bytesPerToken: bytes, bytesWithout: without };
  }
  const recall = value > 0 ? point.value / value : 1;
  const reason =
    `as a product of that rank its first matrix finds ${(100 * recall).toFixed(1)} % of the value ` +
    `with ${(point.predicted / Math.max(firing, 1e-9)).toFixed(2)} neurons for each that fires`;
  const { rank } = candidate;
  return { layer, kind: run.kind, rank, reason, bytesPerToken: bytes, bytesWithout: without };
}

function noteShortfall(run: TrainRun, problem: WidthProblem, chosen: readonly ChosenWidth[]): void {
  const over = overPredictionOf(problem, chosen);
  const { onNotice } = run.options;
  if (recallOf(problem, chosen) < problem.recall) {
    onNotice?.(
      'The budget is too small for the value recall asked for; more neurons are predicted.',
    );
  } else if (over > 1.02 * problem.overPrediction) {
    onNotice?.(
      `Within the budget, training-free predictors need ${over.toFixed(2)} neurons for each that fires to reach the recall; ` +
        'trained ones need fewer.',
    );
  }
}

function requireBudget(run: TrainRun, choices: readonly WidthChoice[]): void {
  const { model, options } = run;
  if (run.kind === 'gate' || run.kind === 'signs' || options.widths) return;
  const size = choices.reduce(
    (sum, { layer, rank = 0 }) => sum + (rank > 0 ? costOf(run, layer, rank).size : 0),
    0,
  );
  const budget = budgetSize(run);
  if (size <= budget) return;
  const unit = 'bytes' in run.budget ? 'bytes' : 'weights';
  throw invalidOption(
    'budget',
    `is too small: the narrowest predictors of ${model.layers} layers take ${Math.ceil(size)} ${unit}, there are ${Math.floor(budget)}`,
  );
}

// A choice that was cut short is made again.
function isCandidates(saved: unknown): saved is Candidate[] {
  return (
    Array.isArray(saved) && saved.length > 0 && saved.every((c: Candidate) => c?.points?.length)
  );
}

function checkSaved(saved: unknown, run: TrainRun, folder: WorkFolder): WidthChoice[] {
  const valid =
    Array.isArray(saved) &&
    saved.length === run.model.layers &&
    saved.every((choice: WidthChoice, i) => choice?.layer === i && typeof choice.kind === 'string');
  if (valid) return saved as WidthChoice[];
  throw damaged(join(folder.path, FILE), 'does not describe the layers of this model');
}
