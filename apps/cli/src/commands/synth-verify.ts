import { isPipelineError } from '@thermocline/contracts';
import { activationSource, inspectModel } from '@thermocline/runtime';
import { checkRates, type RateCheck, type RatePair, readRecipe } from '@thermocline/synth';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { type ModelOptions, openModel } from '../open-model.js';
import { callerPath } from '../paths.js';
import { table } from '../table.js';
import { colors, note, print, printJson } from '../terminal.js';

export interface VerifyFlags extends ModelOptions {
  tokens: number;
  json?: boolean;
}

// What a decile or a layer may be off.
const ALLOWED = 0.1;

/** `thermocline synth verify`: do the neurons of a synthetic model fire as often as was planted? */
export async function verify(file: string, { tokens, json, ...flags }: VerifyFlags): Promise<void> {
  using interrupt = new Interrupt();
  const path = callerPath(file);
  const { name, shape: _shape, ...planted } = readRecipe(path, (await inspectModel(path)).metadata);
  await using model = await openModel(file, flags, interrupt.signal);
  try {
    const check = await checkRates(activationSource(model.engine), name, planted, {
      tokens,
      signal: interrupt.signal,
    });
    const passed = check.worst <= ALLOWED;
    if (json) printJson({ path, shape: name, synthetic: true, ...check, allowed: ALLOWED, passed });
    else for (const line of describe(check, passed)) print(line);
    if (!passed) process.exitCode = EXIT.failed;
  } catch (error) {
    if (!interrupt.requested || !isPipelineError(error, 'ABORTED')) throw error;
    note(error.message);
    process.exitCode = EXIT.interrupted;
  }
}

function describe({ tokens, deciles, layers, worst }: RateCheck, passed: boolean): string[] {
  const rows = [
    ...deciles.map((pair, tenth) => [`decile ${tenth + 1}`, ...cells(pair)]),
    ...layers.map((pair, layer) => [`layer ${layer}`, ...cells(pair)]),
  ];
  const verdict = passed ? colors.green('as planted') : colors.red('not as planted');
  return [
    `How often neurons fire, on ${tokens.toLocaleString('en-US')} random tokens; deciles by planted rate, hottest first`,
    table(rows, { head: ['', 'planted', 'measured', 'off by'], right: [1, 2, 3] }),
    `${verdict}: off by at most ${percent(worst, 1)}, ${percent(ALLOWED, 0)} allowed`,
  ];
}

function cells({ planted, measured, deviation }: RatePair): string[] {
  const sign = deviation > 0 ? '+' : '';
  return [percent(planted, 2), percent(measured, 2), `${sign}${percent(deviation, 1)}`];
}

function percent(share: number, digits: number): string {
  return `${(100 * share).toFixed(digits)} %`;
}
