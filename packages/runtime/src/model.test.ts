import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  evaluatePerplexity,
  loadModel,
  Model,
  resolveMode,
  summarizeGeneration,
  topLogits,
} from './index.js';

const reference = JSON.parse(
  readFileSync(join(demoModelPath(), '..', '..', 'reference', 'reference.json'), 'utf8'),
).prompts[0] as { prompt: string; ids: number[]; top10: { id: number }[]; greedy_ids: number[] };

let model: Model;
beforeAll(async () => {
  model = await loadModel();
});
afterAll(() => model.close());

describe('loadModel', () => {
  it('takes the demo model when none is named, and the options', async () => {
    await using small = await loadModel(undefined, { context: 64, threads: 1, kvType: 'f32' });
    expect(small.info).toMatchObject({ context: 64, threads: 1, kvType: 'f32' });
    expect(small.info.model).toMatchObject({ arch: 'llama', layers: 6, activation: 'relu' });
  });

  it('reports progress up to the end', async () => {
    const seen: number[] = [];
    await using _ = await loadModel(undefined, { onProgress: (fraction) => seen.push(fraction) });
    expect(seen.every((fraction, i) => fraction >= (seen[i - 1] ?? 0) && fraction <= 1)).toBe(true);
  });

  it.each([
    [{ vramBudgetBytes: 1 }, { tier: 'gpu', requestedBytes: 1, availableBytes: 0 }],
    [{ ramBudgetBytes: 2 ** 50 }, { tier: 'cpu', requestedBytes: 2 ** 50 }],
  ])('refuses the budget %j, which the machine does not have', async (options, details) => {
    const loading = loadModel(undefined, options);
    await expect(loading).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', details });
  });
});

describe('generate', () => {
  it('continues a text as the reference does', async () => {
    const generation = model.generate(reference.prompt, { maxTokens: 11 });
    let text = '';
    for await (const chunk of generation) text += chunk.text;
    const result = await generation.result;
    expect(result.text).toBe(text);
    expect([...result.promptTokens]).toEqual(reference.ids);
    expect(result.tokens).toEqual(reference.greedy_ids.slice(0, 11));
    expect(result.mode).toBe('exact');
    expect(result.memory.find(({ tier }) => tier === 'cpu')?.peakBytes).toBeGreaterThan(16e6);
  });

  it('runs several at once, each as if alone', async () => {
    const options = { maxTokens: 20, temperature: 0.8, seed: 5 };
    const alone = await model.generate('One day', options).result;
    const together = await Promise.all(
      ['One day', 'The dragon', 'One day'].map((prompt) => model.generate(prompt, options).result),
    );
    expect(together[0]?.tokens).toEqual(alone.tokens);
    expect(together[2]?.tokens).toEqual(alone.tokens);
    expect(together[1]?.tokens).not.toEqual(alone.tokens);
  });

  it('ends when the loop is left', async () => {
    const generation = model.generate('Once', { maxTokens: 400, ignoreEos: true });
    for await (const { tokens } of generation) if (tokens.length > 0) break;
    const { finishReason, tokens } = await generation.result;
    expect(finishReason === 'aborted' || tokens.length === 400).toBe(true);
  });

  it('returns what there is when it is aborted', async () => {
    const signal = AbortSignal.abort();
    const { finishReason, tokens } = await model.generate('Once', { signal }).result;
    expect(finishReason).toBe('aborted');
    expect(tokens).toEqual([]);
  });

  it.each([
    ['a conversation without a template', [{ role: 'user', content: 'Hi' }], 'MODEL_UNSUPPORTED'],
    ['too long a prompt', 'word '.repeat(600), 'CONTEXT_OVERFLOW'],
    ['ids that do not exist', Int32Array.of(4096), 'INVALID_ARGUMENT'],
  ] as const)('refuses %s, in the loop and in the result', async (_, prompt, code) => {
    const generation = model.generate(prompt);
    await expect(generation.result).rejects.toMatchObject({ code });
    const loop = async () => {
      for await (const _chunk of model.generate(prompt)) expect.unreachable();
    };
    await expect(loop()).rejects.toMatchObject({ code });
  });

  it('says what a mode is missing', () => {
    expect(resolveMode(model.info, undefined)).toBe('exact');
    expect(() => resolveMode(model.info, 'predicted')).toThrow(/predictor set/);
    expect(() => resolveMode(model.info, 'fast')).toThrow(/no mode "fast"/);
  });
});

describe('summarizeGeneration', () => {
  it('works out speed and sparsity', async () => {
    const result = await model.generate(reference.prompt, { maxTokens: 30 }).result;
    const summary = summarizeGeneration(result);
    const times = result.tokenTimesMs;
    const ms = (times.at(-1) as number) - (times[0] as number);
    expect(summary.decodeTps).toBeCloseTo(((times.length - 1) / ms) * 1000, 5);
    expect(summary.firstTokenMs).toBe(times[0]);
    expect(summary.msPerToken.p99).toBeGreaterThanOrEqual(summary.msPerToken.p50 as number);
    expect(summary.layerActiveRatios).toHaveLength(6);
    expect(summary.ffnActiveRatio).toBeGreaterThan(0.05);
    expect(summary.ffnActiveRatio).toBeLessThan(0.25);
    expect(summary.ffnComputedRatio).toBe(1);
    expect(summary.layerComputedRatios).toEqual([1, 1, 1, 1, 1, 1]);
    expect(summary.bytesPerToken.cpu).toBeGreaterThan(summary.ffnBytesPerToken.cpu as number);
  });

  it('does not make figures up', async () => {
    const summary = summarizeGeneration(await model.generate('Once', { maxTokens: 1 }).result);
    expect(summary.decodeTps).toBeNull();
    expect(summary.msPerToken).toEqual({ p50: null, p99: null });
  });
});

describe('topLogits', () => {
  it('gives the reference', async () => {
    const { tokens, top } = await topLogits(model, reference.prompt);
    expect(tokens).toEqual(reference.ids);
    expect(top.map(({ id }) => id)).toEqual(reference.top10.map(({ id }) => id));
    expect(top[0]?.text).toBe(' girl');
  });

  it('refuses to evaluate nothing', async () => {
    const nothing = topLogits(model, Int32Array.of());
    await expect(nothing).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('evaluatePerplexity', () => {
  const ids = Int32Array.from([...reference.ids, ...reference.greedy_ids]);

  it('scores every id but the first, however the windows are cut', async () => {
    const whole = await evaluatePerplexity(model, ids);
    expect(whole.tokens).toBe(ids.length - 1);
    expect(whole.perplexity).toBeLessThan(3);
    // The same by hand: each id against the logits after those before it in its window.
    const cut = await evaluatePerplexity(model, ids, { context: 10, tokens: 15 });
    let nll = 0;
    for (let i = 0; i < 15; i++) {
      const before = ids.subarray(i - (i % 10), i + 1);
      const { top } = await topLogits(model, before, { top: 4096 });
      const sum = top.reduce((total, { logit }) => total + Math.exp(logit), 0);
      nll += Math.log(sum) - (top.find(({ id }) => id === ids[i + 1])?.logit as number);
    }
    expect(cut).toMatchObject({ tokens: 15, context: 10, aborted: false });
    expect(cut.nll).toBeCloseTo(nll / 15, 4);
  });

  it('returns what it has when it is aborted, and fails when it has nothing', async () => {
    const controller = new AbortController();
    const long = Int32Array.from({ length: 4000 }, (_, i) => i % 4000);
    const onProgress = () => controller.abort();
    const { signal } = controller;
    const part = await evaluatePerplexity(model, long, { signal, onProgress });
    expect(part.aborted).toBe(true);
    expect(part.tokens).toBeLessThan(4000);
    const none = evaluatePerplexity(model, long, { signal });
    await expect(none).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it.each([
    [Int32Array.of(1), {}, 'INVALID_ARGUMENT'],
    ['', {}, 'INVALID_ARGUMENT'],
    [Int32Array.of(1, 5000), {}, 'INVALID_ARGUMENT'],
    [Int32Array.of(1, 2), { context: 513 }, 'CONTEXT_OVERFLOW'],
    [Int32Array.of(1, 2), { context: 0 }, 'INVALID_ARGUMENT'],
    [Int32Array.of(1, 2), { tokens: -1 }, 'INVALID_ARGUMENT'],
  ] as const)('refuses %j with %j', async (source, options, code) => {
    await expect(evaluatePerplexity(model, source, options)).rejects.toMatchObject({ code });
  });
});

describe('startConversation', () => {
  it('continues the text of a model without a template, and says so', async () => {
    await using conversation = await model.startConversation();
    expect(conversation.notice).toMatch(/no chat template/);
    const first = await conversation.send(reference.prompt, { maxTokens: 11 }).result;
    expect(first.tokens).toEqual(reference.greedy_ids.slice(0, 11));
    const length = conversation.length;
    const second = await conversation.send('Then', { maxTokens: 5 }).result;
    expect(second.promptTokens.length).toBeGreaterThan(length);
    expect(conversation.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    await conversation.reset();
    expect(conversation.length).toBe(0);
    expect(conversation.messages).toEqual([]);
  });

  it('is as it was after a turn that fails', async () => {
    await using conversation = await model.startConversation({ system: 'A story.' });
    await conversation.send('Once', { maxTokens: 3 }).result;
    const { length, messages } = conversation;
    const turn = conversation.send('word '.repeat(600)).result;
    await expect(turn).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW' });
    expect(conversation.length).toBe(length);
    expect(conversation.messages).toEqual(messages);
  });

  it('reads only what is new, and answers as if it had read everything', async () => {
    const template = `{% for message in messages %}{{ message.content }}\n{% endfor %}`;
    const chatty = new Model(withTemplate(model.engine, template));
    await using conversation = await chatty.startConversation({ system: 'A story.' });
    expect(conversation.notice).toBeNull();
    await conversation.send('Once upon a time', { maxTokens: 8 }).result;
    const read = conversation.length;
    const second = await conversation.send('The end', { maxTokens: 8 }).result;
    const messages = conversation.messages.slice(0, -1);
    const fresh = await chatty.generate(messages, { maxTokens: 8 }).result;
    expect(second.promptTokens).toEqual(fresh.promptTokens);
    expect(second.tokens).toEqual(fresh.tokens);
    expect(second.prefill.tokens).toBeLessThanOrEqual(fresh.prefill.tokens - read / 2);
  });
});

/** The same engine, whose model file carries a chat template. */
function withTemplate(engine: Engine, chatTemplate: string): Engine {
  const info = { ...engine.info, chatTemplate };
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'info') return info;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
