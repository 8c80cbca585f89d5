import type { Benchmark, BenchmarkCase } from '@thermocline/bench';
import { againstPeers, contenderName, inPercent, times } from '../bench/cells.js';
import { caseTable, explanation, problems } from '../bench/result-lines.js';
import { benchmarkCharts } from './benchmark-charts.js';
import { openCanvas } from './canvas.js';
import { escapeMarkup } from './escape.js';
import { drawPage, pageList, pageTable, SCREEN_CHART } from './page.js';
import { SCREEN } from './theme.js';

/** The pictures and figures of a run as one page. */
export async function benchmarkPage(benchmark: Benchmark): Promise<string> {
  const canvas = await openCanvas(SCREEN, SCREEN_CHART.width, SCREEN_CHART.height);
  const { models, machine } = benchmark;
  return drawPage({
    heading: 'Benchmark',
    subject: models.map(({ file }) => file).join(', '),
    intro: [...explanation(benchmark), ...problems(benchmark)].map((line) =>
      escapeMarkup(line, 400),
    ),
    facts: facts(benchmark),
    legend: '',
    charts: benchmarkCharts(canvas, benchmark),
    sections: [
      ...models.map(({ file, synthetic }, index): [string, string] => {
        const cases = benchmark.cases.filter(({ model }) => model === index);
        const { head, rows } = caseTable(benchmark, cases);
        return [synthetic ? `${file} (synthetic weights)` : file, pageTable(head, rows)];
      }),
      [
        'Where it comes from',
        pageList([
          escapeMarkup(
            `${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`,
          ),
          escapeMarkup(
            `Made ${benchmark.made_at} by ${benchmark.made_by.tool} ${benchmark.made_by.version}`,
          ),
          ...models.map(
            ({ file, fingerprint }) =>
              `${escapeMarkup(file)}: fingerprint <code>${escapeMarkup(fingerprint)}</code>`,
          ),
          ...abouts(benchmark).map((line) => escapeMarkup(line, 400)),
        ]),
      ],
    ],
  });
}

/** The best of it: against each peer, and against the roof. */
function facts(benchmark: Benchmark): [string, string][] {
  const best = new Map<string, [number, BenchmarkCase]>();
  for (const one of benchmark.cases) {
    for (const { peer, decode } of againstPeers(one, benchmark)) {
      if (decode !== null && decode > (best.get(peer)?.[0] ?? 0)) best.set(peer, [decode, one]);
    }
  }
  const shares = benchmark.cases
    .filter(({ engine }) => engine === 'thermocline')
    .flatMap(({ median }) => median.peak_share ?? []);
  return [
    ...[...best].map(([peer, [ratio, one]]): [string, string] => [
      times(ratio),
      `the decode speed of ${peer} at best, in mode ${contenderName(one)}`,
    ]),
    ...(shares.length > 0
      ? [
          [inPercent(Math.max(...shares)), 'of plain reading in the same moments, at best'] as [
            string,
            string,
          ],
        ]
      : []),
  ];
}

function abouts({ cases }: Benchmark): string[] {
  const told = cases.filter(({ about }) => about !== '');
  return [...new Set(told.map(({ engine, about }) => `${engine}: ${about}`))];
}
