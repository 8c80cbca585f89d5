import type { ModelInfo } from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import {
  estimatePlacement,
  formatBytes,
  type ModeEstimate,
  type PlacementEstimate,
} from '@thermocline/runtime';
import { describeModel } from '../describe-model.js';
import { formatShare } from '../format.js';
import { describeShape, heading } from '../inspect/report.js';
import { callerPath } from '../paths.js';
import { explanationJson, explanationLines } from '../placement/explanation.js';
import { openMachine } from '../placement/machine.js';
import { type PlacementOptions, solveOptions } from '../placement/options.js';
import { colors, note, print, printJson } from '../terminal.js';

const VERDICTS: Record<ModeEstimate['verdict'], string> = {
  gpu: 'yes, all of it on the GPU',
  memory: 'yes, from memory',
  flash: 'yes, with a part on flash',
  nowhere: 'no',
};

/** `thermocline estimate`: will this model run there, and how fast, before anything is loaded. */
export async function estimate(
  model: string | undefined,
  options: PlacementOptions,
): Promise<void> {
  const path = model === undefined ? demoModelPath() : callerPath(model);
  const { model: info } = await describeModel(path);
  const hardware = await openMachine(options.hardware);
  const result = await estimatePlacement(info, hardware, solveOptions(options));
  note('note: this release runs what fits in system memory, whole; the rest');
  note('is what the machine could do.');
  if (options.json) printJson({ model: path, ...estimateJson(result) });
  else for (const line of estimateLines(info, result)) print(line);
}

function estimateLines(info: ModelInfo, result: PlacementEstimate): string[] {
  const { weights, kv, scratch } = result.bytes;
  return [
    heading('estimate'),
    `  ${describeShape(info)}`,
    `  weights ${formatBytes(weights)} · KV cache ${formatBytes(kv)} · scratch ${formatBytes(scratch)}`,
    `  ${colors.yellow('This is an estimate')}: nothing was loaded or measured. ${formatShare(result.family.firing)} of the`,
    `  neurons are taken to fire, as in ${result.family.name} (${result.family.source}).`,
    ...result.modes.flatMap(modeLines),
  ];
}

function modeLines({ mode, verdict, assumptions, explanation, missing }: ModeEstimate): string[] {
  return [
    '',
    `${colors.bold(`mode ${mode}: ${VERDICTS[verdict]}`)}${missing ? `, ${missing.reason}` : ''}`,
    ...assumptions.map((assumption) => colors.dim(`  ${assumption}`)),
    ...(explanation ? ['', ...explanationLines(explanation)] : []),
  ];
}

function estimateJson(result: PlacementEstimate) {
  return {
    is_estimate: result.isEstimate,
    hardware: result.hardware,
    family: result.family,
    context: result.contextTokens,
    bytes: result.bytes,
    modes: result.modes.map(({ mode, verdict, assumptions, explanation, missing }) => ({
      verdict,
      runs: verdict !== 'nowhere',
      assumptions,
      ...(explanation ? explanationJson(explanation) : { predicted_tps: null }),
      mode,
      missing: missing
        ? {
            tier: missing.tier,
            required_bytes: missing.requiredBytes,
            available_bytes: missing.availableBytes,
            reason: missing.reason,
          }
        : null,
    })),
  };
}
