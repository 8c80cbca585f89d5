import { compareBenchmarks, readBenchmark } from '@thermocline/bench';
import { compareLines } from '../bench/compare-lines.js';
import { compareMarkdown } from '../bench/compare-markdown.js';
import { EXIT } from '../exit-codes.js';
import { callerPath } from '../paths.js';
import { print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface BenchCompareFlags {
  threshold: number;
  confidence: number;
  otherMachine?: boolean;
  markdown?: boolean;
  json?: boolean;
}

/** `thermocline bench compare`: a verdict for CI, which knows of noise. */
export async function benchCompare(
  before: string,
  after: string,
  flags: BenchCompareFlags,
): Promise<void> {
  if (flags.json && flags.markdown) throw new UsageError('Give --json or --markdown, not both.');
  const comparison = compareBenchmarks(
    await readBenchmark(callerPath(before)),
    await readBenchmark(callerPath(after)),
    {
      threshold: flags.threshold,
      confidence: flags.confidence,
      allowOtherMachine: flags.otherMachine ?? false,
    },
  );
  if (flags.json) printJson(comparison);
  else if (flags.markdown) print(compareMarkdown(comparison));
  else for (const line of compareLines(comparison)) print(line);
  if (comparison.failed > 0) process.exitCode = EXIT.failed;
}
