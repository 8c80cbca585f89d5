import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readChoiceTasks } from './read-choice-tasks.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-choices-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function write(content: string | Buffer): string {
  const path = join(folder, `${files++}.jsonl`);
  writeFileSync(path, content);
  return path;
}
const line = (fields: object) => JSON.stringify({ context: 'c', choices: ['x', 'y'], ...fields });

describe('readChoiceTasks', () => {
  it('reads what the field calls contexts and answers', async () => {
    const path = write(
      [
        '{"context": "The dog", "choices": ["barks", "rains"], "answer": 0}',
        '',
        '{"question": "2 + 2 =", "choices": ["3", "4"], "gold": "B", "id": "sum"}\r',
        '{"query": "Say", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"}',
        '{"ctx": "Pick", "choices": ["one", "two"], "label": "two", "unconditional": "Answer:"}',
        '{"contexts": ["A", "B"], "continuation": "fell.", "choices": ["it", "he"], "answer": 1}',
      ].join('\n'),
    );
    expect(await readChoiceTasks(path)).toEqual([
      { context: 'The dog', choices: ['barks', 'rains'], answer: 0 },
      { context: '2 + 2 =', choices: ['3', '4'], answer: 1, id: 'sum' },
      { context: 'Say', choices: ['a', 'b'], answer: 1 },
      { context: 'Pick', choices: ['one', 'two'], answer: 1, unconditional: 'Answer:' },
      { context: ['A', 'B'], continuation: 'fell.', choices: ['it', 'he'], answer: 1 },
    ]);
    expect(await readChoiceTasks(path, 2)).toHaveLength(2);
  });

  it.each([
    ['no JSON', '{', /line 1: it is no JSON/],
    ['no object', '[]', /no JSON object/],
    ['no context', '{"choices": ["a", "b"], "answer": 0}', /none of context, question/],
    ['two contexts', line({ answer: 0, query: 'q' }), /"context" and "query" are both/],
    ['a context that is no text', line({ answer: 0, context: 3 }), /"context" is no text/],
    ['one choice', line({ choices: ['a'], answer: 0 }), /two texts or more/],
    ['an empty choice', line({ choices: ['a', ''], answer: 0 }), /a choice is empty/],
    ['no answer', line({}), /none of answer, gold/],
    ['an answer beyond', line({ answer: 2 }), /is 2, not from 0 to 1/],
    ['an index as text', line({ answer: '1' }), /write an index as a number, counted from 0/],
    ['no such letter', line({ answer: 'C' }), /"C", which names no choice/],
    [
      'two meanings',
      line({ choices: ['B', 'A'], answer: 'A' }),
      /letter of one choice and the text/,
    ],
    ['few contexts', line({ contexts: ['a'], answer: 0 }), /list of 2 texts/],
    ['a continuation alone', line({ continuation: 'a', answer: 0 }), /goes with "contexts"/],
    [
      'a label too few',
      line({ choices: { text: ['a', 'b'], label: ['A'] }, answer: 'A' }),
      /1 labels/,
    ],
    [
      'another label',
      line({ choices: { text: ['a', 'b'], label: ['A', 'B'] }, answer: 'C' }),
      /none of/,
    ],
    ['nothing', '\n', /no tasks/],
    ['other bytes', Buffer.from([0xff, 0xfe, 0x0a]), /not UTF-8/],
  ])('refuses a file of %s, naming the line', async (_, content, message) => {
    const path = write(content);
    await expect(readChoiceTasks(path)).rejects.toThrow(message);
    await expect(readChoiceTasks(path)).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
  });

  it('answers any JSON with tasks or a typed error', async () => {
    const keys = fc.constantFrom(
      'context',
      'contexts',
      'choices',
      'answer',
      'gold',
      'text',
      'label',
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        fc.string({ maxLength: 3 }),
        fc.integer({ min: -2, max: 3 }),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(keys, tie('any'), { maxKeys: 3 }),
      ),
    })).any;
    const path = join(folder, 'any.jsonl');
    await fc.assert(
      fc.asyncProperty(fc.dictionary(keys, value, { maxKeys: 4 }), async (fields) => {
        writeFileSync(path, JSON.stringify(fields));
        const [task] = await readChoiceTasks(path).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'CORPUS_INVALID' });
          return [];
        });
        if (task) expect(task.answer).toBeLessThan(task.choices.length);
      }),
      { numRuns: 300 },
    );
  });

  it('names a file that is not there', async () => {
    await expect(readChoiceTasks(join(folder, 'none'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });
});
