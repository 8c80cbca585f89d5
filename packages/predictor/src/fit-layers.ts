import {
  type FirstMatrix,
  type FitOptions,
  type LayerPredictor,
  PipelineError,
  type ScoreCurve,
} from '@thermocline/contracts';
import { collectSamples, type Samples } from './collect-samples.js';
import { type LayerFit, readLayer, saveLayer } from './layer-fit.js';
import { noteFewerTokens, planPasses, type View, viewsOf } from './plan-passes.js';
import { readFirst } from './read-first.js';
import type { WidthChoice } from './train-options.js';
import type { TrainRun } from './train-run.js';
import { removeSamples, type WorkFolder } from './work-folder.js';

/**
 * Fits the predictor of every layer, a pass over the texts for as many layers as fit the cache, and
 * keeps each when it is done. Layers that are there already are not fitted again.
 */
export async function fitLayers(
  run: TrainRun,
  folder: WorkFolder,
  choices: readonly WidthChoice[],
): Promise<LayerFit[]> {
  const fits: (LayerFit | undefined)[] = [];
  for (const { layer } of choices) fits[layer] = await readLayer(run, folder, layer);
  noteResumed(run, fits);
  const passes = planPasses(
    run,
    choices.filter(({ kind }) => kind !== 'none').map(({ layer }) => layer),
  );
  noteFewerTokens(run, passes);
  let samples: Samples | undefined;
  for (const choice of choices) {
    const { layer } = choice;
    const pass = passes.find(({ layers }) => layers.includes(layer));
    const resumed = fits[layer];
    if (resumed === undefined && pass) samples ??= await collectSamples(run, folder, pass);
    const fit = resumed ?? (await fitLayer(run, samples, choice));
    if (resumed === undefined) await saveLayer(run, folder, fit);
    fits[layer] = fit;
    report(run, fit, resumed !== undefined);
    if (pass?.layers.at(-1) !== layer) continue;
    samples = undefined;
    if (run.options.checkpoint?.keepSamples !== true) await removeSamples(folder, pass.name);
  }
  return fits as LayerFit[];
}

async function fitLayer(
  run: TrainRun,
  samples: Samples | undefined,
  choice: WidthChoice,
): Promise<LayerFit> {
  if (samples === undefined || choice.kind === 'none') {
    return { choice, predictor: { kind: 'none' } };
  }
  const { layer } = choice;
  const first = await readFirst(run, layer);
  const views = viewsOf(run, layer);
  const [view, own] = [views[0] as View, views[1]];
  const fit = await fitView(run, samples, choice, first, view, 1 / views.length, 0);
  if (own === undefined) return fit;
  // The price of looking ahead: what one of equal size does that need not.
  const beside = await fitView(run, samples, choice, first, own, 1 / views.length, 1);
  return { ...fit, ...(beside.curve && { sameLayer: beside.curve }) };
}

async function fitView(
  run: TrainRun,
  samples: Samples,
  choice: WidthChoice,
  first: FirstMatrix | undefined,
  view: View,
  share: number,
  before: number,
): Promise<LayerFit> {
  const { model, type, options } = run;
  const { math, epochs, seed, signal, onProgress } = options;
  const { layer, rank } = choice;
  const { train, heldOut } = samples.of(layer, view);
  const common = {
    ...(first && { first }),
    activation: model.activation,
    ...(signal && { signal }),
  };
  const fitOptions: FitOptions = {
    kind: choice.kind as FitOptions['kind'],
    ...(rank !== undefined && { rank, type }),
    ...(epochs !== undefined && { epochs }),
    ...(seed !== undefined && { seed }),
    ...common,
    onProgress: (fraction, loss) =>
      onProgress?.({
        phase: 'train',
        layer,
        fraction: (layer + (before + fraction) * share) / model.layers,
        ...(loss !== null && { loss }),
      }),
  };
  const { predictor, history, scales } = await math.fit(train, heldOut, fitOptions);
  const reading = readingFrom(predictor, view);
  const curve = await math.score(heldOut, reading, { ...common, ...(scales && { scales }) });
  checkCurve(curve, layer);
  return {
    choice,
    predictor: reading,
    curve,
    ...(history && { history }),
    ...(scales && { scales }),
  };
}

/** The mathematics does not know whose hidden state the samples hold. */
function readingFrom(predictor: LayerPredictor, view: View): LayerPredictor {
  if (predictor.kind === 'none' || predictor.kind === 'gate') return predictor;
  return { ...predictor, reads: view };
}

function checkCurve({ firing, tokens, shifts }: ScoreCurve, layer: number): void {
  const reason =
    tokens === 0 || shifts.length === 0
      ? 'has no held-out samples'
      : firing === 0
        ? 'never fires on the held-out text'
        : undefined;
  if (reason === undefined) return;
  throw new PipelineError('CORPUS_INVALID', `Layer ${layer} ${reason}. Name more text.`, {
    path: 'corpus',
    place: `layer ${layer}`,
    reason,
  });
}

function report(run: TrainRun, fit: LayerFit, resumed: boolean): void {
  const { onLayer, onProgress } = run.options;
  const { choice, predictor, history } = fit;
  const { layer } = choice;
  onLayer?.({ ...choice, predictor, resumed, ...(history && { history }) });
  onProgress?.({ phase: 'train', layer, fraction: (layer + 1) / run.model.layers });
}

function noteResumed(run: TrainRun, fits: readonly unknown[]): void {
  const count = fits.filter((fit) => fit !== undefined).length;
  if (count === 0) return;
  const path = run.options.checkpoint?.path;
  run.options.onNotice?.(
    `Went on from the progress in ${path}: ${count} of ${run.model.layers} layers are ready.`,
  );
}
