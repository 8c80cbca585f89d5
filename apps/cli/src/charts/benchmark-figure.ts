import type { Benchmark } from '@thermocline/bench';
import { UsageError } from '../usage-error.js';
import { benchmarkCharts } from './benchmark-charts.js';
import { openCanvas } from './canvas.js';
import { drawFigure, PANEL } from './figure.js';
import { PAPER } from './theme.js';

/**
 * The pictures of a run as one figure for a paper.
 *
 * @throws UsageError when nothing was measured
 */
export async function benchmarkFigure(benchmark: Benchmark): Promise<string> {
  const canvas = await openCanvas(PAPER, PANEL.width, PANEL.height);
  const panels = benchmarkCharts(canvas, benchmark);
  if (panels.length === 0) {
    throw new UsageError(
      '--svg: there is nothing to draw, for nothing was measured: leave it out.',
    );
  }
  const names = benchmark.models.map(({ file, synthetic }) =>
    synthetic ? `${file} (synthetic)` : file,
  );
  return drawFigure({ about: `Benchmark: ${names.join(', ')}`, panels });
}
