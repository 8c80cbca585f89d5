import { readActivationProfile, writePlacementPlan } from '@thermocline/contracts';
import { explainPlan, solvePlacement } from '@thermocline/runtime';
import { formatMs, formatShare } from '../format.js';
import { describeShape, heading, shorten } from '../inspect/report.js';
import { Interrupt } from '../interrupt.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { explanationJson, explanationLines } from '../placement/explanation.js';
import { layerTable } from '../placement/layer-table.js';
import { openMachine } from '../placement/machine.js';
import { type PlacementOptions, solveOptions } from '../placement/options.js';
import { colors, note, print, printJson } from '../terminal.js';

export interface SolveCommandOptions extends PlacementOptions {
  method?: 'own' | 'highs';
  timeLimit?: number;
  all?: boolean;
  output?: string;
}

/** `thermocline solve`: decides where every neuron lives, and explains itself. */
export async function solve(path: string, options: SolveCommandOptions): Promise<void> {
  using interrupt = new Interrupt();
  const { method, timeLimit, output } = options;
  const read = [path, ...(options.hardware === undefined ? [] : [options.hardware])];
  const target =
    output === undefined ? undefined : await outputPath(output, 'plan', read.map(callerPath));
  const profile = await readActivationProfile(callerPath(path));
  const hardware = await openMachine(options.hardware, interrupt.signal);
  const settings = {
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

/** Gaps are small; a bare 0.0 % would hide that they are not nothing. */
function formatGap(gap: number): string {
  return gap > 0 && gap < 1e-3 ? `${(gap * 100).toPrecision(1)} %` : formatShare(gap);
}
