import { type Benchmark, readBenchmark } from '@thermocline/bench';
import { benchmarkPictures } from '../bench/pictures.js';
import { resultLines } from '../bench/result-lines.js';
import type { Pictures } from '../picture-files.js';
import { colors } from '../terminal.js';
import { heading, type Report } from './report.js';

/** A result of `bench`: the table it printed, which can be drawn later too. */
export async function inspectBenchmark(path: string): Promise<Report & { pictures: Pictures }> {
  const benchmark = await readBenchmark(path);
  return {
    pictures: benchmarkPictures(benchmark),
    json: { benchmark },
    lines: [
      heading('benchmark'),
      colors.dim(`  ${origin(benchmark)}`),
      '',
      ...resultLines(benchmark),
    ],
  };
}

function origin({ made_at, made_by }: Benchmark): string {
  return `made ${made_at.slice(0, 16).replace('T', ' ')} UTC by ${made_by.tool} ${made_by.version}`;
}
