import type { Benchmark, BenchmarkCase, BenchmarkModel } from '@thermocline/bench';
import { formatBytes } from '@thermocline/runtime';
import { formatCount } from '../format.js';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';
import {
  againstPeers,
  contenderName,
  formatNumber,
  gigabytes,
  inPercent,
  times,
  varying,
} from './cells.js';

const DISTURBED = 0.25;

/** A run for a person: a table for each model, and what one must know to believe it. */
export function resultLines(benchmark: Benchmark): string[] {
  return [
    ...benchmark.models.flatMap((model, index) => modelLines(benchmark, model, index)),
    ...explanation(benchmark).map((line) => colors.dim(`  ${line}`)),
    ...problems(benchmark).map((line) => `  ${colors.yellow(line)}`),
  ];
}

function modelLines(benchmark: Benchmark, model: BenchmarkModel, index: number): string[] {
  const cases = benchmark.cases.filter((one) => one.model === index);
  const { head, rows } = caseTable(benchmark, cases);
  const mark = model.synthetic ? colors.yellow(' [synthetic weights]') : '';
  const size = `${formatBytes(model.bytes)} of ${[...new Set(Object.values(model.weight_types))].join(', ')}`;
  return [
    `${colors.bold(oneLine(model.file))}${mark}  ${colors.dim(`${oneLine(model.name)}, ${size}`)}`,
    table(rows, { head, right: head.map((_, column) => column).slice(1) }),
    '',
  ];
}

/** The cases as cells; columns that would be empty are left out. */
export function caseTable(
  benchmark: Benchmark,
  cases: readonly BenchmarkCase[],
): { head: string[]; rows: string[][] } {
  const columns: [string, (one: BenchmarkCase) => string][] = [
    ['engine', (one) => oneLine(contenderName(one), 24)],
    ...varying(benchmark).map((name): [string, (one: BenchmarkCase) => string] => [
      name === 'busy_cores' ? 'busy' : name,
      (one) => String(one[name] ?? '–'),
    ]),
    ['prefill tok/s', ({ median }) => formatNumber(median.prefill_tokens_per_second)],
    ['1st token ms', ({ median }) => formatNumber(median.first_token_ms)],
    ['decode tok/s', (one) => decodeCell(one)],
    ['p50 ms', ({ median }) => formatNumber(median.ms_per_token?.p50 ?? null)],
    ['p99 ms', ({ median }) => formatNumber(median.ms_per_token?.p99 ?? null)],
    ['MB/token', ({ median }) => formatNumber(megabytes(median.bytes_per_token))],
    ['GB/s', ({ median }) => gigabytes(median.achieved_bytes_per_second)],
    ['of reading', ({ median }) => inPercent(median.peak_share)],
    ['FFN of reading', ({ median }) => inPercent(median.ffn_peak_share)],
    ['load s', ({ median }) => seconds(median.load_ms)],
    ['load GB/s', ({ median }) => gigabytes(median.load_bytes_per_second)],
    ['memory', ({ median }) => memory(median.peak_memory_bytes)],
    ...peerColumns(benchmark),
  ];
  const filled = columns.filter(([, cell]) => cases.some((one) => cell(one) !== ''));
  return {
    head: filled.map(([name]) => name),
    rows: cases.map((one) => filled.map(([, cell]) => cell(one))),
  };
}

/** How fast each case is for every peer that did the same. */
function peerColumns(benchmark: Benchmark): [string, (one: BenchmarkCase) => string][] {
  const peers = new Set(benchmark.cases.map(({ engine }) => engine));
  peers.delete('thermocline');
  return [...peers].map((name) => [
    `decode × ${oneLine(name, 16)}`,
    (one) => times(againstPeers(one, benchmark).find(({ peer }) => peer === name)?.decode ?? null),
  ]);
}

function decodeCell({ status, rounds, batch, median }: BenchmarkCase): string {
  if (status !== 'done' && rounds.length === 0) return status;
  const total = formatNumber(median.decode_tokens_per_second);
  if (batch === 1 || total === '') return total;
  return `${total} (${batch} × ${formatNumber(median.decode_tokens_per_second_per_sequence)})`;
}

/** What was measured and how, in sentences. */
export function explanation({ machine, options, cases }: Benchmark): string[] {
  const peak = machine.peak_bytes_per_second;
  const words =
    options.decode === 'forced'
      ? 'decode of given tokens, the same in all engines'
      : "greedy decode in each engine's own loop";
  const rounds = Math.max(0, ...cases.map((one) => one.rounds.length));
  const { prompt_tokens: prompt } = options;
  const prompts = prompt > 0 ? `prompts of ${formatCount(prompt)} tokens, ` : '';
  const estimated = cases.some(({ median }) => median.bytes_counted_by === 'thermocline dense');
  const cached = cases.some(
    ({ median }) => (median.achieved_bytes_per_second ?? 0) > 1.1 * (peak ?? Number.NaN),
  );
  return [
    `${oneLine(machine.processor)}, ${machine.cores} cores, kernels ${machine.kernels}; ${peak === null ? 'bandwidth not measured' : `best measured reading ${gigabytes(peak)} GB/s`}`,
    `Medians of ${rounds} rounds, each a process of its own; ${prompts}${words}, ${formatCount(options.generate)} a sequence.`,
    ...(estimated
      ? [
          "Peers do not say what they read: they are charged the bytes of Thermocline's dense decode.",
        ]
      : []),
    ...(cached
      ? [
          'More than the measured reading: these weights lie in part in the caches of the processor.',
        ]
      : []),
  ];
}

/** Whatever a reader should hold against the figures. */
export function problems({ cases, complete, models }: Benchmark): string[] {
  const lines: string[] = [];
  for (const one of cases) {
    if (one.status === 'done' || one.status === 'stopped') continue;
    const where = `${one.engine}, ${one.mode}, batch ${one.batch}, context ${one.context}`;
    lines.push(`${one.status}: ${where}: ${oneLine(one.reason ?? '', 400)}`);
  }
  const loads = cases.flatMap(({ rounds }) => rounds.map(({ other_load }) => other_load ?? 0));
  const disturbed = loads.filter((load) => load > DISTURBED);
  if (disturbed.length > 0) {
    const most = Math.max(...disturbed).toFixed(1);
    lines.push(
      `Others kept up to ${most} cores busy in ${disturbed.length} of ${loads.length} rounds: not worth quoting.`,
    );
  }
  if (models.some(({ synthetic }) => synthetic)) {
    lines.push(
      'Weights of synthetic models are made up: the speeds are real, the sparsity is planted.',
    );
  }
  if (!complete) lines.push('Stopped before the end: what there is, is shown.');
  return lines;
}

function megabytes(bytes: number | null): number | null {
  return bytes === null ? null : bytes / 1e6;
}

function seconds(ms: number | null): string {
  return ms === null ? '' : formatNumber(ms / 1000);
}

function memory(bytes: number | null): string {
  return bytes === null ? '' : formatBytes(bytes);
}
