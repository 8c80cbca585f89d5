import { expect, it } from 'vitest';
import type { Benchmark } from './benchmark.js';
import { compareBenchmarks } from './compare-benchmarks.js';
import { sampleBenchmark } from './testing/sample-benchmark.js';

const BASE = [100, 101, 99, 100.5, 99.5];
const scaled = (factor: number) => sampleBenchmark(BASE.map((speed) => speed * factor));

function verdict(after: Benchmark, threshold = 0.05) {
  return compareBenchmarks(sampleBenchmark(BASE), after, { threshold }).comparisons[0]?.verdict;
}

it('tells slower, faster and the same apart', () => {
  expect(verdict(scaled(0.8))).toBe('slower');
  expect(verdict(scaled(1.3))).toBe('faster');
  expect(verdict(scaled(1.01))).toBe('same');
  expect(verdict(scaled(0.8), 0.3)).toBe('same');
});

it('does not judge where the spread reaches over the threshold', () => {
  expect(verdict(sampleBenchmark([60, 140, 90, 110, 96]))).toBe('unclear');
  expect(verdict(sampleBenchmark([50, 51]))).toBe('unclear');
});

it('counts slower and lost figures of its own, not those of peers', () => {
  const slow = scaled(0.5);
  expect(compareBenchmarks(sampleBenchmark(BASE), slow).failed).toBe(1);
  const peer = sampleBenchmark(BASE, { engine: 'peer' });
  const slowPeer = sampleBenchmark([50, 50, 50], { engine: 'peer' });
  expect(compareBenchmarks(peer, slowPeer)).toMatchObject({
    failed: 0,
    comparisons: [{ verdict: 'slower' }],
  });
  const crashed = sampleBenchmark([], { status: 'failed', reason: 'it crashed' });
  expect(compareBenchmarks(sampleBenchmark(BASE), crashed)).toMatchObject({
    failed: 1,
    comparisons: [{ verdict: 'missing', note: 'it crashed' }],
  });
  const other = sampleBenchmark(BASE, { threads: 2 });
  expect(compareBenchmarks(sampleBenchmark(BASE), other).failed).toBe(1);
});

it('refuses runs that say nothing about each other', () => {
  const other = (change: (benchmark: Benchmark) => void) => {
    const after = sampleBenchmark(BASE);
    change(after);
    return () => compareBenchmarks(sampleBenchmark(BASE), after);
  };
  const model = other(({ models }) => Object.assign(models[0] as object, { fingerprint: 'f2' }));
  expect(model).toThrow(/other models .*sample\.gguf/);
  const work = other(({ options }) => Object.assign(options, { generate: 9 }));
  expect(work).toThrow('generate is 8 in one and 9 in the other');
  const machine = other((after) => Object.assign(after.machine, { cores: 64 }));
  expect(machine).toThrow(/different machines .*--other-machine/);
  expect(
    other(({ models }) => Object.assign(models[0] as object, { file: 'moved.gguf' })),
  ).not.toThrow();
});

it('warns of another machine that is allowed, other kernels, slower memory and other load', () => {
  const after = sampleBenchmark(BASE);
  Object.assign(after.machine, { cores: 64, kernels: 'avx512', peak_bytes_per_second: 5e9 });
  Object.assign(after.cases[0]?.rounds[0] as object, { other_load: 1 });
  const { warnings } = compareBenchmarks(sampleBenchmark(BASE), after, { allowOtherMachine: true });
  expect(warnings).toEqual([
    'The machines differ: p, 2 cores; p, 64 cores.',
    'The kernels differ: avx2; avx512.',
    'Memory itself was not as fast in both runs: 10.0 and 5.0 GB/s.',
    'Others worked on the machine beside 0 rounds of the first run and 1 of the second.',
  ]);
});
