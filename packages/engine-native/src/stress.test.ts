import { expect, test } from 'vitest';
import { runScript } from './testing/models.js';

// In a process of its own, whose allocators give back at once what is freed: with Node's young
// generation and glibc's thresholds growing as they like, 60 MB kept for later hide what leaks.
const HONEST = {
  flags: ['--expose-gc', '--max-semi-space-size=1'],
  env: {
    MALLOC_ARENA_MAX: '1',
    MALLOC_MMAP_THRESHOLD_: '65536',
    MALLOC_TRIM_THRESHOLD_: '65536',
  },
};

test('1,000 rounds of open, generate and close leak nothing', { timeout: 240_000 }, async () => {
  const result = await runScript(
    `
    const round = async () => {
      const e = await engine.openEngine(model, { threads: 2, context: 64 });
      const session = await e.createSession();
      const prompt = await e.tokenize('Once upon a time', { addSpecial: true });
      await session.generate(prompt, { maxTokens: 4, ignoreEos: true }).result;
      const branch = await session.fork();
      await branch.evaluate([5]);
      await e.close();
      return e.memory()[0].usedBytes;
    };
    const rss = async () => {
      for (let i = 0; i < 3; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)); }
      return process.memoryUsage.rss();
    };
    for (let i = 0; i < 300; i++) await round();
    const before = await rss();
    let left = 0;
    for (let i = 0; i < 1000; i++) left += await round();
    console.log(JSON.stringify({ left, perRound: (await rss() - before) / 1000 }));`,
    HONEST,
  );
  expect(result.stderr).toBe('');
  const { left, perRound } = JSON.parse(result.stdout);
  console.log(`grew by ${Math.round(perRound)} bytes per round`);
  expect(left).toBe(0);
  // A leaked engine would be 3 MB, its tokenizer 400 KB, a thread's stack 70 KB.
  expect(perRound).toBeLessThan(10_000);
});
