import type { Benchmark, BenchmarkCase } from '@thermocline/bench';
import { contenderName, formatNumber, gigabytes, inPercent, varying } from '../bench/cells.js';
import { type Bar, type BarAxis, barChart } from './bar-chart.js';
import type { Canvas } from './canvas.js';
import type { Chart } from './chart.js';

/** What a run found, as bars: engines side by side for every setting. */
export function benchmarkCharts(canvas: Canvas, benchmark: Benchmark): Chart[] {
  const peak = benchmark.machine.peak_bytes_per_second;
  const reading =
    peak === null ? '' : `; the line is the best measured reading, ${gigabytes(peak)} GB/s`;
  const charts: (Chart | null)[] = [
    chart(canvas, benchmark, {
      title: 'Decode',
      caption: 'Tokens per second of all sequences together; dots are the rounds.',
      axis: { label: 'tokens per second' },
      value: ({ median }) => median.decode_tokens_per_second,
      raw: ({ rounds }) => rounds.flatMap((round) => middle(round.decode_tokens_per_second)),
    }),
    chart(canvas, benchmark, {
      title: 'Prefill',
      caption: `Tokens per second of a prompt of ${benchmark.options.prompt_tokens} tokens; dots are the rounds.`,
      axis: { label: 'tokens per second' },
      value: ({ median }) => median.prefill_tokens_per_second,
      raw: ({ rounds }) => rounds.flatMap((round) => middle(round.prefill_tokens_per_second)),
    }),
    chart(canvas, benchmark, {
      title: 'Bandwidth of decode against the roof',
      caption: `Bytes per token times tokens per second${reading}. Percentages are of plain reading in the same moments; skipping neurons lowers the bytes, not the roof.`,
      axis: { label: 'GB/s', ...(peak !== null && { mark: peak / 1e9 }) },
      value: ({ median }) => scaled(median.achieved_bytes_per_second, 1e-9),
      note: ({ median }) => inPercent(median.peak_share),
    }),
    chart(canvas, benchmark, {
      title: 'Time per token',
      caption: 'Median of the steps; the tick is their 99th percentile.',
      axis: { label: 'ms' },
      value: ({ median }) => median.ms_per_token?.p50 ?? null,
      tick: ({ median }) => median.ms_per_token?.p99 ?? null,
      note: ({ median }) => `p99 ${formatNumber(median.ms_per_token?.p99 ?? null)}`,
    }),
  ];
  return charts.filter((one) => one !== null);
}

interface Drawn {
  title: string;
  caption: string;
  axis: BarAxis;
  value: (one: BenchmarkCase) => number | null;
  raw?: (one: BenchmarkCase) => number[];
  tick?: (one: BenchmarkCase) => number | null;
  note?: (one: BenchmarkCase) => string;
}

function chart(canvas: Canvas, benchmark: Benchmark, drawn: Drawn): Chart | null {
  const settings = varying(benchmark);
  const list = benchmark.cases.flatMap((one): Bar[] => {
    const value = drawn.value(one);
    if (value === null) return [];
    const note = drawn.note?.(one) ?? '';
    return [
      {
        group: groupOf(benchmark, one, settings),
        series: contenderName(one),
        value,
        dots: drawn.raw?.(one) ?? [],
        tick: drawn.tick?.(one) ?? null,
        text: note === '' ? formatNumber(value) : `${formatNumber(value)} (${note})`,
      },
    ];
  });
  if (list.length === 0) return null;
  const { title, caption, axis } = drawn;
  return { title, caption, svg: barChart(canvas, axis, list) };
}

/** The settings that differ within the run, and the model where there are several. */
function groupOf(
  { models }: Benchmark,
  one: BenchmarkCase,
  settings: readonly (keyof BenchmarkCase)[],
): string {
  const parts = models.length > 1 ? [models[one.model]?.file.replace(/\.gguf$/, '') ?? ''] : [];
  for (const name of settings) {
    const label = name === 'busy_cores' ? 'busy' : name;
    parts.push(one[name] === null ? `own ${label}` : `${label} ${one[name]}`);
  }
  return parts.join(', ');
}

function middle(repeats: readonly number[]): number[] {
  const sorted = [...repeats].sort((a, b) => a - b);
  return sorted.slice(sorted.length >> 1, (sorted.length >> 1) + 1);
}

function scaled(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}
