import { PipelineError } from '@thermocline/contracts';
import { parseArgsStringToArgv } from 'string-argv';
import type { Contender, Dimension } from '../contender.js';
import { measureQuietly } from '../process/run-fresh.js';
import { runProgram } from '../process/run-program.js';
import type { Workload } from '../workload.js';
import { readOutput } from './read-output.js';

const PLACES = ['model', 'threads', 'prompt', 'generate', 'context', 'batch'] as const;

/**
 * Any program that measures itself, such as llama-bench. `{model}`, `{threads}`, `{prompt}`,
 * `{generate}`, `{context}` and `{batch}` of the template are filled in; no shell is involved.
 * Its output is llama-bench's JSON (`-o json`), or is read with a pattern whose groups are named
 * `prefill`, `decode` (tokens/s), `first_token_ms`, `load_ms`.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 *
 * @example
 * const peer = commandPeer('llama-bench -m {model} -t {threads} -p {prompt} -n {generate} -r 1 -o json');
 */
export function commandPeer(template: string, pattern?: string): Contender {
  const words = parseArgsStringToArgv(template);
  if (words.length === 0) throw invalid('it names no program');
  const named = new Set([...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string));
  for (const name of named) {
    if (!(PLACES as readonly string[]).includes(name)) {
      throw invalid(`{${name}} means nothing; there are ${PLACES.map((p) => `{${p}}`).join(', ')}`);
    }
  }
  const expression = pattern === undefined ? undefined : compile(pattern);
  const program = (words[0] as string).split(/[\\/]/).at(-1) as string;
  const takes = (['threads', 'batch', 'context'] as Dimension[]).filter((name) => named.has(name));
  return {
    name: program,
    takes: new Set(takes),
    local: true,
    measure(work, options) {
      const command = words.map((word) => fill(word, work)) as [string, ...string[]];
      // What a program of others used of the processor is not told.
      return measureQuietly(async () => {
        const { stdout } = await runProgram(command, options);
        return { answer: readOutput(stdout, program, work, expression) };
      }, options);
    },
  };
}

function fill(word: string, work: Workload): string {
  const values: Record<(typeof PLACES)[number], string | number> = {
    model: work.model,
    threads: work.threads ?? '',
    prompt: work.promptTokens,
    generate: work.generate,
    context: work.context,
    batch: work.batch,
  };
  return word.replace(/\{(\w+)\}/g, (_, name: keyof typeof values) => String(values[name]));
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'ms');
  } catch (error) {
    throw invalid(`the pattern does not compile: ${(error as Error).message}`);
  }
}

function invalid(reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `--peer-command: ${reason}.`, {
    argument: 'peer-command',
    reason,
  });
}
