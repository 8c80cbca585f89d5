import type { EngineInfo } from '@thermocline/contracts';
import {
  formatBytes,
  type GenerationSummary,
  isLossy,
  type ModelResult,
} from '@thermocline/runtime';
import { formatMs, formatRate, formatShare, plural } from './format.js';

/** The one line every run ends with. */
export function closingLine(
  info: EngineInfo,
  result: ModelResult,
  summary: GenerationSummary,
): string {
  const flash = result.prefill.bytesRead.flash + result.decode.bytesRead.flash;
  return [
    plural(result.tokens.length, 'token'),
    formatRate(summary.decodeTps, 'tokens/s'),
    `first token ${formatMs(summary.firstTokenMs)}`,
    `peak memory ${peakMemory(result)}`,
    `${formatBytes(flash)} read from flash`,
    neuronShare(result, summary),
    `context ${contextUse(info, result)}`,
  ].join(' · ');
}

/** Lossy modes do not learn what fires beside the neurons they compute. */
function neuronShare({ mode }: ModelResult, summary: GenerationSummary): string {
  return isLossy(mode)
    ? `${formatShare(summary.ffnComputedRatio)} of neurons computed`
    : `${formatShare(summary.ffnActiveRatio)} of neurons fired`;
}

function peakMemory({ memory }: ModelResult): string {
  const used = memory.filter(({ peakBytes }) => peakBytes > 0);
  return (
    used.map(({ tier, peakBytes }) => `${tier} ${formatBytes(peakBytes)}`).join(', ') || 'none'
  );
}

/** How much of the context is used, how long it is, and what made it that long. */
function contextUse(info: EngineInfo, { promptTokens, tokens }: ModelResult): string {
  return `${promptTokens.length + tokens.length}/${info.context} (${info.contextSource})`;
}
