import { expect, it } from 'vitest';
import { runCli } from '../testing/run-cli.js';

it('tells a story, profiles the model on real text and places it', async () => {
  const { code, stdout, stderr } = await runCli(['demo']);
  expect(code).toBe(0);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^Llama-ReGLU-Stories-8M\n7,998,720 parameters/);
  expect(stdout).toMatch(/\nOnce upon a time, there was a little (girl|boy|\w+)/);
  expect(stdout.match(/^ {2}layer \d .* % /gm)).toHaveLength(12);
  expect(stdout).toMatch(
    /exact +[\d,]+ tokens\/s +3\.\d MiB\n {2}dense +[\d,]+ tokens\/s +9\.0 MiB/,
  );
  expect(stdout).toMatch(/The same tokens, with 4\d\.\d % of the bytes/);
  expect(stdout).toMatch(/\d+ tokens · [\d,]+ tokens\/s · first token /);
  expect(stdout).toMatch(/\n {2}16,384 tokens of stories and of Shakespeare/);
  expect(stdout).toMatch(/\n {2}whole model: 6\d\.\d %\n/);
  expect(stdout).toMatch(/\npredicted [\d,.]+ tokens\/s/);
  expect(stdout.match(/^ {6}\d +[\d,]+ +[\d,]+ +[\d,]+ {2}[█▓░]{40}$/gm)).toHaveLength(6);
});
