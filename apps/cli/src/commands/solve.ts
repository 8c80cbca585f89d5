import { readActivationProfile, writePlacementPlan } from '@thermocline/contracts';
import { explainPlan, type PlanExplanation, solvePlacement } from '@thermocline/runtime';
import { formatMs, formatShare } from '../format.js';
import { describeShape, heading, shorten } from '../inspect/report.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { explanationJson, explanationLines } from '../placement/explanation.js';
import { layerTable } from '../placement/layer-table.js';
import { openMachine } from '../placement/machine.js';
import { type PlacementOptions, solveOptions } from '../placement/options.js';
import { predictorWork } from '../placement/predictors.js';
import { colors, note, print, printJson } from '../terminal.js';

export interface SolveCommandOptions extends PlacementOptions {
  method?: 'own' | 'highs';
  timeLimit?: number;
  predictors?: string;
  all?: boolean;
  output?: string;
}

/** `thermocline solve`: decides where every neuron lives, and explains itself. */
export async function solve(path: string, options: SolveCommandOptions): Promise<void> {
  const { method, timeLimit, output } = options;
  const read = [path, options.hardware, options.predictors].filter((file) => file !== undefined);
  const target =
    output === undefined ? undefined : await outputPath(output, 'plan', read.map(callerPath));
  const profile = await readActivationProfile(callerPath(path));
  const hardware = await openMachine(options.hardware);
  const settings = {
    ...(await predictorWork(options.predictors, profile.fingerprint)),
    ...solveOptions(options),
    ...(method !== undefined && { method }),
    ...(timeLimit !== undefined && { timeLimitMs: timeLimit * 1000 }),
  };
  const start = performance.now();
  const plan = await solvePlacement(profile, hardware, settings);
  const solveMs = performance.now() - start;
  if (target !== undefined) await writePlacementPlan(target, plan);

  const { onNotice: _, ...quiet } = settings;
  const explanation = await explainPlan(plan, profile, hardware, quiet);
  for (const notice of planNotices(explanation)) note(`note: ${notice}`);
  const { solution } = plan;
  if (options.json) {
    printJson({
      ...explanationJson(explanation),
      solve_ms: solveMs,
      objective: solution?.value ?? null,
      objective_name: solution?.objective ?? null,
      bound: solution?.bound ?? null,
      gap: solution?.gap ?? null,
      output: target ?? null,
    });
    return;
  }
  print(heading('placement'));
  print(`  ${describeShape(plan.model)}`);
  print();
  for (const line of explanationLines(explanation)) print(line);
  print();
  const layers = explanation.layers.map(({ neurons }) => neurons);
  for (const line of layerTable(layers, (rows, draw) =>
    shorten(rows, { all: options.all ?? false }, draw),
  )) {
    print(line);
  }
  print();
  if (solution) {
    print(
      `at most ${formatGap(solution.gap)} from the best possible ` +
        `(objective ${solution.objective}), found in ${formatMs(solveMs)}`,
    );
  }
  if (target === undefined) note(colors.dim('Not written: -o FILE keeps the plan.'));
  else print(`written to ${target}`);
}

/** What a person should know before they rely on a plan. */
function planNotices({ objective, tiers, layers }: PlanExplanation): string[] {
  const gpu = tiers.find(({ tier }) => tier === 'gpu');
  const elsewhere = tiers.some(({ tier, usedBytes }) => tier !== 'cpu' && usedBytes > 0);
  const idle = objective === 'impact' && gpu !== undefined && gpu.budgetBytes > 0;
  return [
    ...(elsewhere ? ['this release computes in system memory only: it will refuse this plan'] : []),
    ...(idle && layers.every(({ neurons }) => neurons.gpu === 0)
      ? [
          'no layer has room on the GPU for as many neurons as make up for a synchronisation ' +
            '(C_l of the paper), so none is there; --objective latency may still use it',
        ]
      : []),
  ];
}

/** Gaps are small; a bare 0.0 % would hide that they are not nothing. */
function formatGap(gap: number): string {
  if (gap < 1e-6) return '0.0001 %';
  return gap < 1e-3 ? `${(gap * 100).toPrecision(1)} %` : formatShare(gap);
}
