import type { ActivationProfile } from '@thermocline/contracts';
import {
  explainPlan,
  findHardware,
  formatBytes,
  parseSize,
  solvePlacement,
} from '@thermocline/runtime';
import { formatMs } from '../format.js';
import { explanationLines } from '../placement/explanation.js';
import { layerTable } from '../placement/layer-table.js';
import { colors, print } from '../terminal.js';

const MACHINE = 'rtx-2080ti-pc';
// Less than the model: so that there is something to decide.
const BUDGETS = { vramBudgetBytes: parseSize('6MiB'), ramBudgetBytes: parseSize('14MiB') };

/** Decides where the neurons would live on a small machine, and explains the plan. */
export async function showPlacement(profile: ActivationProfile): Promise<void> {
  const hardware = await findHardware(MACHINE);
  const options = { ...BUDGETS, contextTokens: 256 };
  const start = performance.now();
  const plan = await solvePlacement(profile, hardware, options);
  const solveMs = performance.now() - start;
  const explanation = await explainPlan(plan, profile, hardware, options);
  const { vramBudgetBytes, ramBudgetBytes } = BUDGETS;
  print();
  print(colors.bold('Placement: where each neuron would live with too little memory'));
  print(
    `  On a PC with a GPU (${MACHINE}), given ${formatBytes(vramBudgetBytes)} of its memory and ` +
      `${formatBytes(ramBudgetBytes)} of the system's;`,
  );
  print(`  solved in ${formatMs(solveMs)}.`);
  print();
  for (const line of explanationLines(explanation)) print(line);
  print();
  const layers = explanation.layers.map(({ neurons }) => neurons);
  for (const line of layerTable(layers, (rows, draw) => [draw(rows)])) print(line);
}
