import type { ProfileSummary } from '@thermocline/runtime';
import type { Canvas } from './canvas.js';
import { percent } from './lines.js';
import { overDepth } from './over-depth.js';

/** Sparsity and concentration from the first layer to the last. */
export function depthChart(canvas: Canvas, { layers }: ProfileSummary): string {
  const inPercent = (share: number | null) => (share === null ? null : share * 100);
  return overDepth(canvas, { label: 'share of neurons (%)', domain: [0, 100] }, [
    {
      name: 'do not fire',
      values: layers.map(({ activeRatio }) =>
        inPercent(activeRatio === null ? null : 1 - activeRatio),
      ),
      describe: (value) => `${percent(value / 100)} do not fire on a token`,
    },
    {
      name: 'make 80 % of the firings',
      values: layers.map(({ neuronsFor80Percent }) => inPercent(neuronsFor80Percent)),
      describe: (value) => `${percent(value / 100)} make 80 % of the firings`,
    },
  ]);
}
