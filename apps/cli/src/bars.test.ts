import { expect, it } from 'vitest';
import { bar, layerBars, sparkline } from './bars.js';

it.each([
  [0, '··········'],
  [0.05, '▌·········'],
  [0.5, '█████·····'],
  [0.999, '██████████'],
  [1, '██████████'],
  [7, '██████████'],
  [-1, '··········'],
])('draws %d as a bar', (share, drawn) => {
  expect(bar(share, 10)).toBe(drawn);
});

it('draws columns up to the highest value', () => {
  expect(sparkline([0, 1, 2, 4, 8])).toBe('▁▂▃▅█');
  expect(sparkline([0, 0])).toBe('▁▁');
  expect(sparkline([])).toBe('');
});

it('writes a line per layer', () => {
  const lines = layerBars([0.125, null], [1024, 1024]);
  expect(lines[0]).toMatch(/^ {2}layer 0 {2}█{5}·{35} {2}12\.5 % {2}128 of 1024$/);
  expect(lines[1]).toContain('–');
});
