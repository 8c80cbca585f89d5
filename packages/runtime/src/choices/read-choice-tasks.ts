import { readFile, stat } from 'node:fs/promises';
import { fileError, PipelineError } from '@thermocline/contracts';
import type { ChoiceTask } from './choice-task.js';

const MAX_FILE_BYTES = 1 << 29;
const CONTEXTS = ['context', 'question', 'query', 'ctx', 'prompt'];
const ANSWERS = ['answer', 'gold', 'answerKey', 'label'];

/**
 * Reads tasks from JSON lines. Of each line:
 * `context` (or `question`, `query`, `ctx`, `prompt`), or `contexts` and `continuation` where the
 * contexts are what differs; `choices`, a list of texts, or `{text, label}` as ARC has it; `answer`
 * (or `gold`, `answerKey`, `label`), an index from 0, a label, a letter from A on, or the text of the
 * choice; and if there is one, `unconditional` and `id`.
 *
 * @param limit - read at most so many
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `CORPUS_INVALID` naming the line
 *
 * @example
 * const tasks = await readChoiceTasks('piqa.jsonl', 500);
 */
export async function readChoiceTasks(
  path: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<ChoiceTask[]> {
  const tasks: ChoiceTask[] = [];
  const lines = (await readText(path)).split('\n');
  for (const [index, line] of lines.entries()) {
    if (tasks.length >= limit) break;
    if (line.trim() === '') continue;
    const refuse = (reason: string) => {
      const place = `line ${index + 1}`;
      return new PipelineError('CORPUS_INVALID', `${path}, ${place}: ${reason}.`, {
        path,
        place,
        reason,
      });
    };
    tasks.push(parseTask(line, refuse));
  }
  if (tasks.length > 0) return tasks;
  const reason = 'there are no tasks in it';
  throw new PipelineError('CORPUS_INVALID', `${path}: ${reason}.`, { path, reason });
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      const reason = `${size} bytes are more than is read at once (${MAX_FILE_BYTES})`;
      throw new PipelineError('CORPUS_INVALID', `${path}: ${reason}. Divide it.`, { path, reason });
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof TypeError) {
      const reason = 'it is not UTF-8';
      throw new PipelineError('CORPUS_INVALID', `${path}: ${reason}.`, { path, reason });
    }
    throw fileError(path, error);
  }
}

type Refuse = (reason: string) => PipelineError;

function parseTask(line: string, refuse: Refuse): ChoiceTask {
  const fields = parseObject(line, refuse);
  const { choices, labels } = parseChoices(fields, refuse);
  const { unconditional, id } = fields;
  if (unconditional !== undefined && typeof unconditional !== 'string') {
    throw refuse('"unconditional" is no text');
  }
  return {
    ...parseContext(fields, choices.length, refuse),
    choices,
    answer: parseAnswer(fields, choices, labels, refuse),
    ...(unconditional !== undefined && { unconditional }),
    ...((typeof id === 'string' || typeof id === 'number') && { id }),
  };
}

function parseObject(line: string, refuse: Refuse): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw refuse(`it is no JSON (${(error as Error).message})`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw refuse('it is no JSON object');
}

function parseContext(
  fields: Record<string, unknown>,
  choices: number,
  refuse: Refuse,
): Pick<ChoiceTask, 'context' | 'continuation'> {
  const { contexts, continuation } = fields;
  if (contexts === undefined) {
    if (continuation !== undefined) throw refuse('"continuation" goes with "contexts"');
    const named = CONTEXTS.filter((name) => fields[name] !== undefined);
    const [name] = named;
    if (name === undefined) throw refuse(`none of ${CONTEXTS.join(', ')} is in it`);
    if (named.length > 1) throw refuse(`"${name}" and "${named[1]}" are both in it`);
    const context = fields[name];
    if (typeof context !== 'string') throw refuse(`"${name}" is no text`);
    return { context };
  }
  if (!isTexts(contexts) || contexts.length !== choices) {
    throw refuse(`"contexts" is no list of ${choices} texts, one for each choice`);
  }
  if (continuation === undefined) return { context: contexts };
  if (typeof continuation !== 'string' || continuation === '') {
    throw refuse('"continuation" is no text');
  }
  return { context: contexts, continuation };
}

function parseChoices(
  { choices }: Record<string, unknown>,
  refuse: Refuse,
): { choices: string[]; labels: string[] | null } {
  const listed = isLabelled(choices) ? choices.text : choices;
  if (!isTexts(listed) || listed.length < 2) {
    throw refuse('"choices" is no list of two texts or more');
  }
  if (listed.includes('')) throw refuse('a choice is empty');
  const labels = isLabelled(choices) ? choices.label : null;
  if (labels !== null && labels.length !== listed.length) {
    throw refuse(`${listed.length} choices have ${labels.length} labels`);
  }
  return { choices: listed, labels };
}

function parseAnswer(
  fields: Record<string, unknown>,
  choices: readonly string[],
  labels: readonly string[] | null,
  refuse: Refuse,
): number {
  const name = ANSWERS.find((key) => fields[key] !== undefined);
  if (name === undefined) throw refuse(`none of ${ANSWERS.join(', ')} is in it`);
  const answer = fields[name];
  if (typeof answer === 'number') {
    if (Number.isInteger(answer) && answer >= 0 && answer < choices.length) return answer;
    throw refuse(`"${name}" is ${answer}, not from 0 to ${choices.length - 1}`);
  }
  if (typeof answer !== 'string') throw refuse(`"${name}" is no number and no text`);
  if (labels !== null) {
    const index = labels.indexOf(answer);
    if (index >= 0) return index;
    throw refuse(`"${name}" is none of the labels ${labels.join(', ')}`);
  }
  const byText = choices.indexOf(answer);
  const byLetter = /^[A-Z]$/.test(answer) ? answer.charCodeAt(0) - 'A'.charCodeAt(0) : -1;
  const letter = byLetter < choices.length ? byLetter : -1;
  if (byText >= 0 && letter >= 0 && byText !== letter) {
    throw refuse(`"${name}" is the letter of one choice and the text of another`);
  }
  const index = Math.max(byText, letter);
  if (index >= 0) return index;
  const hint = /^\d+$/.test(answer) ? '; write an index as a number, counted from 0' : '';
  throw refuse(`"${name}" is "${answer.slice(0, 40)}", which names no choice${hint}`);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isLabelled(value: unknown): value is { text: unknown; label: string[] } {
  return typeof value === 'object' && value !== null && 'text' in value && 'label' in value
    ? isTexts(value.label)
    : false;
}
