import * as z from 'zod';
import { emptyMeasurement } from '../workers/empty-measurement.js';
import type { Measurement, Workload } from '../workload.js';

// The fields of llama-bench's JSON that are read; a row measures a prompt or generation.
const rows = z
  .array(
    z.object({
      build_commit: z.string().default('unknown'),
      n_prompt: z.number(),
      n_gen: z.number(),
      samples_ts: z.array(z.number().positive()).min(1),
    }),
  )
  .min(1);

/**
 * The figures in what a program printed.
 *
 * @throws Error that says what was looked for
 */
export function readOutput(
  output: string,
  program: string,
  work: Pick<Workload, 'promptTokens' | 'generate'>,
  pattern?: RegExp,
): Measurement {
  if (pattern !== undefined) return readPattern(output, program, work, pattern);
  const begin = output.search(/^\s*\[/m);
  const parsed = rows.safeParse(begin < 0 ? null : parseJson(output.slice(begin)));
  if (!parsed.success) {
    throw new Error(
      "its output is not llama-bench's JSON (-o json); say how to read it: --peer-pattern '(?<decode>[\\d.]+) tok/s'",
    );
  }
  const measurement = emptyMeasurement(`llama-bench ${parsed.data[0]?.build_commit}`);
  for (const { n_prompt, n_gen, samples_ts } of parsed.data) {
    if (n_prompt > 0 && n_gen === 0) measurement.prefillTokensPerSecond.push(...samples_ts);
    if (n_gen > 0 && n_prompt === 0) measurement.decodeTokensPerSecond.push(...samples_ts);
  }
  return requireSome(measurement, program, work);
}

function readPattern(
  output: string,
  program: string,
  work: Pick<Workload, 'promptTokens' | 'generate'>,
  pattern: RegExp,
): Measurement {
  const { groups = {} } = pattern.exec(output) ?? {};
  const numbers = (name: string) => {
    const value = Number(groups[name]);
    return groups[name] !== undefined && value > 0 ? [value] : [];
  };
  const measurement = emptyMeasurement(program, numbers('load_ms')[0] ?? null);
  measurement.prefillTokensPerSecond = numbers('prefill');
  measurement.decodeTokensPerSecond = numbers('decode');
  measurement.firstTokenMs = numbers('first_token_ms');
  return requireSome(measurement, program, work);
}

function requireSome(
  measurement: Measurement,
  program: string,
  { promptTokens, generate }: Pick<Workload, 'promptTokens' | 'generate'>,
): Measurement {
  const prefill = promptTokens > 0 && measurement.prefillTokensPerSecond.length > 0;
  const decode = generate > 0 && measurement.decodeTokensPerSecond.length > 0;
  if (prefill || decode) return measurement;
  throw new Error(`no speed of prefill or decode was found in what ${program} printed`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
