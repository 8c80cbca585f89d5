import { join } from 'node:path';
import { BLOCK_COLUMNS, invalidOption } from '@thermocline/contracts';
import { guessWidths } from './guess-widths.js';
import { budgetSize, costOf } from './measure-candidates.js';
import { measureWidths, NO_ROOM } from './measure-widths.js';
import { readableSize } from './readable-size.js';
import type { WidthChoice } from './train-options.js';
import type { TrainRun } from './train-run.js';
import { damaged, type WorkFolder } from './work-folder.js';

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
  const choices = saved === undefined ? await decide(run, folder) : checkSaved(saved, run, folder);
  requireBudget(run, choices);
  if (saved === undefined) await folder.writeJson(FILE, choices);
  notePlan(run, choices);
  return choices;
}

/** What of the plan nobody may expect. */
function notePlan(run: TrainRun, choices: readonly WidthChoice[]): void {
  const { onNotice, widths } = run.options;
  if (run.kind === 'signs') {
    onNotice?.(
      'Kind signs takes one bit for each weight of the first matrices, and each counts as a weight in its share of the parameters. The budget is not applied to it.',
    );
  }
  if (widths) return;
  const left = choices.filter(({ kind }) => kind === 'none');
  const [first] = left;
  const none = left.length === choices.length;
  const without = left.filter(({ reason }) => reason === NO_ROOM).map(({ layer }) => layer);
  const nothing = 'nothing will be predicted, and the set saves nothing';
  if (without.length > 0) {
    const narrowest = without.reduce((sum, layer) => sum + narrowestOf(run, layer), 0);
    const least = Math.min(...without.map((layer) => narrowestOf(run, layer)));
    onNotice?.(
      `The budget of ${readableSize(run, budgetSize(run))} holds no predictor for ${without.length} of ${choices.length} layers` +
        `${none ? `: ${nothing}` : ''}. The narrowest takes ${readableSize(run, least)}, those of all these layers ` +
        `${readableSize(run, narrowest)}: give a larger budget (--budget).`,
    );
  } else if (none && first) {
    onNotice?.(`No layer gets a predictor: ${nothing}. Layer ${first.layer}: ${first.reason}.`);
  }
}

/** What the narrowest predictor of a layer takes of the budget. */
function narrowestOf(run: TrainRun, layer: number): number {
  return costOf(run, layer, BLOCK_COLUMNS).size;
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

function requireBudget(run: TrainRun, choices: readonly WidthChoice[]): void {
  const { options } = run;
  if (run.kind === 'gate' || run.kind === 'signs' || options.widths) return;
  const size = choices.reduce(
    (sum, { layer, rank = 0 }) => sum + (rank > 0 ? costOf(run, layer, rank).size : 0),
    0,
  );
  const budget = budgetSize(run);
  if (size <= budget) return;
  const count = choices.filter(({ rank = 0 }) => rank > 0).length;
  const remedy = options.everyLayer ? ', or leave --every-layer out' : '';
  throw invalidOption(
    'budget',
    `is too small: the narrowest predictors of ${count} layers take ${readableSize(run, size)}, there is room for ${readableSize(run, budget)}. ` +
      `Give a larger one (--budget)${remedy}`,
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
