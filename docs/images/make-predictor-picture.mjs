// Draws docs/images/predictor-curve.svg from the figures of `node benchmarks/predictor-curve.mjs`:
// value recall against over-prediction, by size, with and without training.
//
//   node docs/images/make-predictor-picture.mjs [MACHINE]
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '..', '..');
const MACHINE = process.argv[2] ?? 'amd-epyc-2-cores';

// The chart library is the command line's.
const require = createRequire(join(ROOT, 'apps', 'cli', 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const [Plot, { DOMParser }] = await Promise.all([load('@observablehq/plot'), load('linkedom')]);

/** As far as the curves tell them apart. */
const MOST = 2;
const COLORS = { trained: '#355f8d', factorised: '#22a884', signs: '#b5367a' };
const DASHES = { trained: 'none', factorised: '5,3', signs: '1,3' };

const curves = readCurves(
  join(ROOT, 'benchmarks', 'results', MACHINE, 'predictor-curve.csv'),
);
const points = curves.flatMap(({ points }) => points);
const named = curves.flatMap(({ kind, points }) =>
  kind === 'factorised' ? [] : points.filter(({ over }) => over === MOST),
);
const legend = [
  { y: 84, text: '── trained', color: COLORS.trained },
  { y: 82.8, text: '- - factorised, the same widths', color: COLORS.factorised },
  { y: 81.6, text: '··· counting signs', color: COLORS.signs },
].map((entry) => ({ ...entry, x: 1.45 }));
const document = new DOMParser().parseFromString(
  '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
  'image/svg+xml',
);
const chart = Plot.plot({
  document,
  width: 720,
  height: 420,
  marginLeft: 60,
  marginRight: 160,
  marginBottom: 46,
  style: {
    background: '#ffffff',
    fontSize: '13px', fontFamily: 'Helvetica, Arial, Liberation Sans, sans-serif',
  },
  x: { label: 'neurons predicted for each that fires', labelAnchor: 'center', labelArrow: 'none' },
  y: {
    label: 'value recall, %',
    labelArrow: 'none',
    grid: true,
    domain: [80, 100],
  },
  color: { type: 'identity' },
  marks: [
    Plot.rect([{ x1: 1, x2: 1.4, y1: 97, y2: 100 }], {
      x1: 'x1',
      x2: 'x2',
      y1: 'y1',
      y2: 'y2',
      fill: '#e8f3e8',
    }),
    ...curves.map(({ kind, points }) =>
      Plot.line(points, {
        x: 'over',
        y: 'recall',
        stroke: COLORS[kind],
        strokeDasharray: DASHES[kind],
        strokeWidth: 2,
      }),
    ),
    Plot.dot(points, { x: 'over', y: 'recall', fill: 'color', r: 2.5 }),
    Plot.text(named, { x: 'over', y: 'recall', text: 'name', fill: 'color', dx: 8, textAnchor: 'start' }),
    Plot.text(legend, { x: 'x', y: 'y', text: 'text', fill: 'color', textAnchor: 'start' }),
  ],
});
const svg = String(chart.outerHTML)
  .replace(/<style>[^<]*<\/style>/g, '')
  .replaceAll('currentColor', '#1a1a1a')
  .replaceAll('var(--plot-background)', '#ffffff')
  .replace(/\d+\.\d{3,}/g, (number) => String(Math.round(Number(number) * 100) / 100))
  .replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ');
writeFileSync(join(HERE, 'predictor-curve.svg'), `${svg}\n`);

/** One curve for each row of the file. */
function readCurves(path) {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const columns = head.split(',');
  return lines.map((line) => {
    const row = Object.fromEntries(line.split(',').map((cell, i) => [columns[i], cell]));
    const share = Math.round(1000 * Number(row.parameter_share)) / 10;
    const name = row.kind === 'signs' ? '1 bit a weight' : `${share} % of the weights`;
    const points = columns
      .filter((column) => column.startsWith('recall_at_') && row[column] !== '')
      .filter((column) => Number(column.slice('recall_at_'.length)) <= MOST)
      .map((column) => ({
        over: Number(column.slice('recall_at_'.length)),
        recall: 100 * Number(row[column]),
        color: COLORS[row.kind],
        name,
      }));
    return { kind: row.kind, points };
  });
}
