import { readFile } from 'node:fs/promises';
import { type Benchmark, runBenchmark, writeBenchmark } from '@thermocline/bench';
import { writeFileAtomically } from '@thermocline/contracts';
import manifest from '../../package.json' with { type: 'json' };
import { benchmarkCsv, CSV_START } from '../bench/csv.js';
import { type BenchFlags, benchmarkOptions } from '../bench/options.js';
import { benchmarkPictures } from '../bench/pictures.js';
import { resultLines } from '../bench/result-lines.js';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { requirePictureFiles, writePictures } from '../picture-files.js';
import { startProgress } from '../progress.js';
import { note, print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

/** `thermocline bench`: how fast models run, in each mode and beside other engines. */
export async function bench(models: readonly string[], flags: BenchFlags): Promise<void> {
  using interrupt = new Interrupt();
  const options = benchmarkOptions(models, flags);
  const inputs = [...(options.models ?? []), options.predictors, options.plan].flatMap(
    (path) => path ?? [],
  );
  const { output, csv } = flags;
  const target = output === undefined ? undefined : await outputPath(output, 'benchmark', inputs);
  if (csv !== undefined) await requireCsv(callerPath(csv), inputs);
  await requirePictureFiles(inputs, flags);
  const benchmark = await measure(options, interrupt.signal);

  if (target !== undefined) {
    await writeBenchmark(target, benchmark);
    note(`written: ${target}`);
  }
  if (csv !== undefined) await writeText(callerPath(csv), benchmarkCsv(benchmark));
  await writePictures(benchmarkPictures(benchmark), flags);
  if (flags.json) printJson(benchmark);
  else for (const line of resultLines(benchmark)) print(line);
  if (interrupt.requested) process.exitCode = EXIT.interrupted;
  else if (hasFailed(benchmark)) process.exitCode = EXIT.failed;
}

async function measure(
  options: ReturnType<typeof benchmarkOptions>,
  signal: AbortSignal,
): Promise<Benchmark> {
  using progress = await startProgress('Measuring');
  return await runBenchmark({
    ...options,
    madeBy: { tool: 'thermocline', version: manifest.version },
    onProgress: (done, total, what) => progress.update(done, total, what),
    signal,
  });
}

/** A peer that fails is the user's to judge; a case of ours is a failure of the run. */
function hasFailed({ cases }: Benchmark): boolean {
  const own = cases.filter(({ engine }) => engine === 'thermocline');
  const measured = own.some(({ rounds }) => rounds.length > 0);
  return !measured || own.some(({ status }) => status === 'failed' || status === 'timed out');
}

async function requireCsv(path: string, inputs: readonly string[]): Promise<void> {
  if (inputs.includes(path)) throw new UsageError(`${path} is read: write the table elsewhere.`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined || text === '' || text.startsWith(CSV_START)) return;
  throw new UsageError(`${path} is there and is no table of bench: write it to another file.`);
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, (append) => append(Buffer.from(text)));
  note(`written: ${path}`);
}
