import { expect, it } from 'vitest';
import { runCli } from '../testing/run-cli.js';

it('tells a story and shows what it skipped', async () => {
  const { code, stdout, stderr } = await runCli(['demo']);
  expect(code).toBe(0);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^Llama-ReGLU-Stories-8M\n7,998,720 parameters/);
  expect(stdout).toMatch(/\nOnce upon a time, there was a little (girl|boy|\w+)/);
  expect(stdout.match(/^ {2}layer \d .* % /gm)).toHaveLength(6);
  expect(stdout).toMatch(
    /exact +[\d,]+ tokens\/s +3\.\d MiB\n {2}dense +[\d,]+ tokens\/s +9\.0 MiB/,
  );
  expect(stdout).toMatch(/The same tokens, with 4\d\.\d % of the bytes/);
  expect(stdout).toMatch(/\d+ tokens · [\d,]+ tokens\/s · first token /);
});
