import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../load-model.js';
import type { Model } from '../model.js';
import { concatTokens } from '../prompt.js';
import type { ChoiceTask } from './choice-task.js';
import { encodeChoice } from './encode-choice.js';
import { type ChoiceResult, evaluateChoices } from './evaluate-choices.js';
import { readChoiceTasks } from './read-choice-tasks.js';

const STORIES = join(import.meta.dirname, '../../../../apps/cli/examples/story-choices.jsonl');

let model: Model;
beforeAll(async () => {
  model = await loadModel();
});
afterAll(() => model.close());

/** log p of a token, the long way. */
function logProbability(logits: Float32Array, token: number): number {
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  return (logits[token] as number) - Math.log(sum);
}

async function answer(tasks: ChoiceTask[], options: Parameters<typeof evaluateChoices>[2] = {}) {
  const results: ChoiceResult[] = [];
  const evaluation = await evaluateChoices(model, tasks, {
    ...options,
    onTask: (result) => results.push(result),
  });
  return { evaluation, results };
}
const likelihoods = ({ outcomes }: ChoiceResult) => outcomes[0]?.outcome.logLikelihoods ?? [];

const TASK: ChoiceTask = {
  context: 'Once upon a time, there was a little',
  choices: ['girl', 'girl named Lily', 'old town'],
  answer: 0,
};

describe('evaluateChoices', () => {
  it('scores as the logits say: two tokens, by hand', async () => {
    const { results } = await answer([TASK]);
    const [result] = results as [ChoiceResult];
    const context = await model.promptTokens(TASK.context as string);
    for (const [i, choice] of TASK.choices.entries()) {
      const continuation = await model.engine.tokenize(` ${choice}`);
      const { logits } = await model.withSession((session) =>
        session.evaluate(concatTokens([context, continuation]), { logits: 'all' }),
      );
      const sum = [...continuation].reduce(
        (total, token, place) =>
          total + logProbability(logits[context.length - 1 + place] as Float32Array, token),
        0,
      );
      expect(likelihoods(result)[i]).toBeCloseTo(sum, 3);
      if (i === 2) expect(continuation.length).toBe(2);
    }
  });

  it('tells long choices from short ones by the character', async () => {
    const { evaluation, results } = await answer([TASK]);
    const outcome = results[0]?.outcomes[0]?.outcome;
    expect(outcome).toMatchObject({ chosen: 0, chosenNorm: 1 });
    const [score] = evaluation.scores;
    expect([score?.accuracy.mean, score?.accuracyNorm.mean]).toEqual([1, 0]);
  });

  it('gives a task the same scores whatever was read before it', async () => {
    const other = {
      ...TASK,
      context: 'Once upon a time, there was a big',
      choices: ['cat', 'dog'],
    };
    const { results } = await answer([other, TASK, other, TASK]);
    const alone = await answer([TASK]);
    const [, second, , fourth] = results as [
      ChoiceResult,
      ChoiceResult,
      ChoiceResult,
      ChoiceResult,
    ];
    for (const [i, value] of likelihoods(alone.results[0] as ChoiceResult).entries()) {
      expect(likelihoods(second)[i]).toBeCloseTo(value, 4);
      expect(likelihoods(fourth)[i]).toBeCloseTo(value, 4);
    }
  });

  it('reads many long choices a few at a time', async () => {
    const choices = Array.from({ length: 40 }, (_, i) => `girl named Lily who had ${i} dogs`);
    const { results } = await answer([{ ...TASK, choices }]);
    const last = await answer([{ ...TASK, choices: choices.slice(-2) }]);
    const scores = likelihoods(results[0] as ChoiceResult);
    for (const [i, value] of likelihoods(last.results[0] as ChoiceResult).entries()) {
      expect(scores[38 + i]).toBeCloseTo(value, 4);
    }
  });

  it('does clearly better than chance on simple stories, in every mode alike', async () => {
    const tasks = await readChoiceTasks(STORIES);
    const { evaluation } = await answer(tasks, { modes: ['exact', 'dense'] });
    const [dense, exact] = evaluation.scores;
    if (!dense || !exact) throw new Error('two modes were asked for');
    expect([dense.mode, exact.mode]).toEqual(['dense', 'exact']);
    expect(evaluation).toMatchObject({ tasks: tasks.length, truncated: 0, bos: true });
    const above = dense.accuracy.mean - evaluation.chance;
    expect(above).toBeGreaterThan(4 * (dense.accuracy.standardError as number));
    expect(exact.comparison).toMatchObject({
      with: 'dense',
      agreement: 1,
      difference: { mean: 0, standardError: 0 },
    });
  });

  it('scores one continuation after contexts that differ', async () => {
    const task: ChoiceTask = {
      context: ['Tom was thirsty, so he drank the', 'Tom was thirsty, so he read the'],
      choices: ['drank', 'read'],
      continuation: 'water.',
      answer: 0,
    };
    const { results } = await answer([task]);
    expect(results[0]?.outcomes[0]?.outcome.chosen).toBe(0);
  });

  it('takes off what a choice is worth alone', async () => {
    const { results, evaluation } = await answer([{ ...TASK, unconditional: '' }, TASK]);
    const outcome = results[0]?.outcomes[0]?.outcome;
    const empty = await answer([{ ...TASK, context: '' }]);
    expect(outcome?.unconditional).toEqual(likelihoods(empty.results[0] as ChoiceResult));
    expect(evaluation.scores[0]?.accuracyMutual?.standardError).toBeNull();
  });

  it('cuts long contexts on the left, and says so', async () => {
    const story = 'Once upon a time there was a dog. '.repeat(100).trimEnd();
    const { results, evaluation } = await answer([{ ...TASK, context: story }, TASK]);
    expect(evaluation).toMatchObject({ truncated: 1, context: 512 });
    const all = await model.promptTokens(story);
    const [first] = results as [ChoiceResult];
    // The last token of a choice is never read.
    const choice = await model.engine.tokenize(' girl');
    expect(first.truncated[0]).toBe(all.length + choice.length - 1 - 512);
    const left = all.subarray(first.truncated[0]);
    const { logits } = await model.withSession((session) => session.evaluate(left));
    const expected = logProbability(logits[0] as Float32Array, choice[0] as number);
    expect(choice.length).toBe(1);
    expect(likelihoods(first)[0]).toBeCloseTo(expected, 3);
  });

  it('ends early with what there is', async () => {
    const abort = new AbortController();
    const run = evaluateChoices(model, [TASK, TASK, TASK], {
      signal: abort.signal,
      onProgress: (done) => {
        if (done === 2) abort.abort();
      },
    });
    expect(await run).toMatchObject({ tasks: 2, aborted: true });
    const never = evaluateChoices(model, [TASK], { signal: AbortSignal.abort() });
    await expect(never).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it.each<[string, Partial<ChoiceTask>, string, RegExp]>([
    ['a wrong answer', { answer: 3 }, 'INVALID_ARGUMENT', /task 0: the answer is 3/],
    ['an empty choice', { choices: ['', 'b'] }, 'INVALID_ARGUMENT', /empty/],
    ['too few contexts', { context: ['a'] }, 'INVALID_ARGUMENT', /1 contexts for 3/],
    ['a long choice', { choices: ['a', 'girl '.repeat(600)] }, 'CONTEXT_OVERFLOW', /does not fit/],
  ])('refuses %s', async (_, change, code, message) => {
    const run = () => evaluateChoices(model, [{ ...TASK, ...change }]);
    await expect(run()).rejects.toThrow(message);
    await expect(run()).rejects.toMatchObject({ code });
  });

  it('refuses modes there are not, and no tasks', async () => {
    await expect(evaluateChoices(model, [])).rejects.toThrow(/there are none/);
    await expect(evaluateChoices(model, [TASK], { limit: 0 })).rejects.toThrow(/limit/);
    const modes = ['predicted' as const];
    await expect(evaluateChoices(model, [TASK], { modes })).rejects.toMatchObject({
      code: 'MODE_UNSUPPORTED',
    });
  });
});

describe('encodeChoice', () => {
  it('moves spaces at the end of the context to the continuation', async () => {
    const { engine } = model;
    const spaced = await encodeChoice(engine, { context: 'A dog \n', continuation: 'ran' }, 512);
    expect(spaced.context).toEqual(await model.promptTokens('A dog'));
    const whole = await engine.tokenize('A dog \nran');
    expect(spaced.continuation).toEqual(whole.subarray((await engine.tokenize('A dog')).length));
  });

  it('splits the tokens of the whole behind those of the context', async () => {
    const { engine } = model;
    // "do" and "g" become one token in the whole: what follows counts from the context's length.
    const { context, continuation } = await encodeChoice(
      engine,
      { context: 'A do', continuation: 'g ran' },
      512,
    );
    const whole = await model.promptTokens('A dog ran');
    expect(context).toEqual(await model.promptTokens('A do'));
    expect(continuation).toEqual(whole.subarray(context.length));
  });
});
