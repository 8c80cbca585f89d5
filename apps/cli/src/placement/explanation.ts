import { TIERS, type Tier } from '@thermocline/contracts';
import { formatBytes, type PlanExplanation } from '@thermocline/runtime';
import { bar } from '../bars.js';
import { formatCount, formatMs, formatRate, formatShare, plural } from '../format.js';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';

/** What lives where, what a token takes, what binds, and what more memory would buy. */
export function explanationLines(plan: PlanExplanation): string[] {
  return [
    ...tierLines(plan),
    '',
    ...timeLines(plan),
    '',
    ...bindingLines(plan),
    ...oneMoreLines(plan),
  ];
}

function tierLines({ tiers }: PlanExplanation): string[] {
  const rows = tiers.map((tier) => [
    tier.tier,
    formatBytes(tier.budgetBytes),
    formatBytes(tier.usedBytes),
    formatCount(tier.neurons),
    formatShare(tier.neuronShare),
    formatShare(tier.firingShare),
    formatSeconds(tier.busySeconds),
  ]);
  const head = ['tier', 'budget', 'used', 'neurons', 'of them', 'of firings', 'busy a token'];
  return [
    table(rows, { head, right: [1, 2, 3, 4, 5, 6] }),
    ...tiers
      .filter(({ usedBytes }) => usedBytes > 0)
      .map(({ tier, uses }) => {
        const parts = Object.entries(uses).sort(([, a], [, b]) => b - a);
        const list = parts.map(([use, bytes]) => `${use} ${formatBytes(bytes)}`).join(' · ');
        return colors.dim(`  ${tier}: ${list}`);
      }),
  ];
}

function timeLines({ secondsPerToken, tokensPerSecond, parts, ...plan }: PlanExplanation) {
  return [
    `${colors.bold(`predicted ${formatRate(tokensPerSecond, 'tokens/s')}`)}, ` +
      `${formatSeconds(secondsPerToken)} a token on ${oneLine(plan.hardware)}, ` +
      `mode ${plan.mode}, context ${formatCount(plan.contextTokens)}`,
    ...parts
      .filter(({ seconds }) => seconds > 0)
      .map(({ name, seconds }) => {
        const drawn = colors.cyan(bar(seconds / secondsPerToken, 40));
        return `  ${name.padEnd(10)} ${drawn} ${formatSeconds(seconds)}`;
      }),
  ];
}

function bindingLines({ layers, tiers }: PlanExplanation): string[] {
  const slowest = TIERS.map((tier): [Tier, number] => [
    tier,
    layers.filter((layer) => layer.slowest === tier).length,
  ]).filter(([, count]) => count > 0);
  const waits = slowest.map(([tier, count]) => `${tier} in ${plural(count, 'layer')}`).join(', ');
  const full = tiers.filter((tier) => tier.full).map(({ tier }) => tier);
  return [
    `what binds: the FFN waits for ${waits || 'nothing'}; ` +
      (full.length > 0
        ? `${full.join(' and ')} memory ${full.length > 1 ? 'are' : 'is'} full`
        : 'no budget is full'),
  ];
}

function oneMoreLines({ oneMoreGiB, tokensPerSecond }: PlanExplanation): string[] {
  return oneMoreGiB.map((more) => {
    const name = more.tier === 'gpu' ? 'VRAM' : 'RAM';
    const gain = more.tokensPerSecond / tokensPerSecond - 1;
    const buys =
      gain < 0.0005
        ? 'nothing more'
        : `${formatRate(more.tokensPerSecond, 'tokens/s')}, ${formatGain(gain)}`;
    return `one more GiB of ${name} would give ${buys}`;
  });
}

function formatGain(gain: number): string {
  if (gain < 1) return `${formatShare(gain)} more`;
  const times = 1 + gain;
  return `${times < 9.95 ? times.toFixed(1) : formatCount(Math.round(times))} times as many`;
}

/** Times of a token lie between microseconds and seconds. */
function formatSeconds(seconds: number): string {
  return seconds < 1e-3 ? `${(seconds * 1e6).toFixed(1)} µs` : formatMs(seconds * 1e3);
}

/** The same for programs. */
export function explanationJson(plan: PlanExplanation) {
  return {
    hardware: plan.hardware,
    mode: plan.mode,
    context: plan.contextTokens,
    kv_type: plan.kvType,
    predicted_tps: plan.tokensPerSecond,
    seconds_per_token: plan.secondsPerToken,
    parts: plan.parts,
    tiers: Object.fromEntries(
      plan.tiers.map((tier) => [
        tier.tier,
        {
          device: tier.device,
          budget_bytes: tier.budgetBytes,
          used_bytes: tier.usedBytes,
          uses: tier.uses,
          neurons: tier.neurons,
          neuron_share: tier.neuronShare,
          firing_share: tier.firingShare,
          busy_seconds: tier.busySeconds,
          full: tier.full,
        },
      ]),
    ),
    layers: plan.layers.map(({ slowest, neurons, seconds }) => ({ slowest, neurons, seconds })),
    one_more_gib: plan.oneMoreGiB.map(({ tier, tokensPerSecond, savedSeconds }) => ({
      tier,
      predicted_tps: tokensPerSecond,
      saved_seconds: savedSeconds,
    })),
    shadow_prices: plan.shadowPrices ?? null,
  };
}
