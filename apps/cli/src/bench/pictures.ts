import type { Benchmark } from '@thermocline/bench';
import type { Pictures } from '../picture-files.js';

/** The pictures of a run; what draws them is loaded when it is needed. */
export function benchmarkPictures(benchmark: Benchmark): Pictures {
  return {
    page: async () => (await import('../charts/benchmark-page.js')).benchmarkPage(benchmark),
    figure: async () => (await import('../charts/benchmark-figure.js')).benchmarkFigure(benchmark),
  };
}
