import type { KernelBenchInfo, KernelBenchType } from '@thermocline/runtime';
import { UsageError } from '../usage-error.js';
import type { KernelCase } from './measure-kernels.js';

const CACHE_TYPES = ['F16', 'F32'];
// Where a neuron can have scales of its own, as in packed files.
const OWN_SCALE_TYPES = ['Q8_0', 'Q4_0'];
const MOST_QUERIES = 12;
const DEFAULT_TOKENS = 64;
const DEFAULT_QUERIES = 4;

/** Which of the kernels are to be measured, in which settings. */
export interface KernelChoice {
  names: readonly string[] | undefined;
  types: readonly KernelBenchType[];
  threads: readonly number[];
  tokens: number | undefined;
}

/**
 * The settings to measure, kernel by kernel; all kernels when none is named.
 *
 * @throws UsageError which lists the kernels when one is not known here
 *
 * @example
 * kernelCases(listKernelBenches(), { names: ['rows'], types: ['Q4_0'], threads: [1, 2] });
 */
export function kernelCases(
  known: readonly KernelBenchInfo[],
  { names, types, threads, tokens }: KernelChoice,
): KernelCase[] {
  const unknown = names?.find((name) => !known.some((info) => info.name === name));
  if (unknown !== undefined) {
    const list = known.map(({ name }) => name).join(', ');
    throw new UsageError(`--kernel: there is no kernel "${unknown}" here. There are ${list}.`);
  }
  return known
    .filter(({ name }) => names?.includes(name) ?? true)
    .flatMap((info) =>
      typesOf(info, types).flatMap((type) =>
        threads.map((count) => ({ info, type, tokens: tokensOf(info, tokens), threads: count })),
      ),
    );
}

function typesOf(info: KernelBenchInfo, types: readonly KernelBenchType[]) {
  if (!info.typed) return [null];
  const taken = info.name === 'attention' ? CACHE_TYPES : OWN_SCALE_TYPES;
  const takesAll = info.name !== 'attention' && !info.name.startsWith('own-');
  return takesAll ? types : types.filter((type) => taken.includes(type));
}

function tokensOf(info: KernelBenchInfo, tokens: number | undefined): number | null {
  if (!info.batched) return null;
  if (info.name !== 'attention') return tokens ?? DEFAULT_TOKENS;
  return Math.min(tokens ?? DEFAULT_QUERIES, MOST_QUERIES);
}
