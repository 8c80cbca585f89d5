import type { FirstMatrix } from '@thermocline/contracts';
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
import { budgetSize, measureCandidates } from './measure-candidates.js';
import { planPasses, planSizing } from './plan-passes.js';
import { readFirst } from './read-first.js';
import { bytesWithout, neuronBytes } from './token-bytes.js';
import type { WidthChoice } from './train-options.js';
import type { TrainRun } from './train-run.js';
import { removeSamples, type WorkFolder } from './work-folder.js';

/** Why a layer has no predictor that would pay. */
export const NO_ROOM = 'the budget holds no predictor for it';

/**
 * Chooses widths by what predictors of many widths find on a part of the samples. What was measured
 * of a layer is kept, so that a run that was killed goes on behind it.
 */
export async function measureWidths(
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
    const reason = candidates.length > 0 ? NO_ROOM : 'no predictor reads less than it saves';
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

// A choice that was cut short is made again.
function isCandidates(saved: unknown): saved is Candidate[] {
  return (
    Array.isArray(saved) && saved.length > 0 && saved.every((c: Candidate) => c?.points?.length)
  );
}
