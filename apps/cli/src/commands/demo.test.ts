import { expect, it } from 'vitest';
import { runCli } from '../testing/run-cli.js';

const SIX_MINUTES = 360_000;

it(
  'tells a story, profiles the model, places it, trains predictors and compares modes',
  async () => {
    const { code, stdout, stderr } = await runCli(['demo']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Llama-ReGLU-Stories-8M\n7,998,720 parameters/);
    expect(stdout).toMatch(/\nOnce upon a time, there was a little (girl|boy|\w+)/);
    expect(stdout.match(/^ {2}layer \d .* % /gm)).toHaveLength(12);
    expect(stdout).toMatch(/exact +3\.\d MiB\n {2}dense +9\.0 MiB/);
    expect(stdout).toMatch(/The same tokens, with 4\d\.\d % of the bytes/);
    expect(stdout).toMatch(/\d+ tokens · [\d,]+ tokens\/s · first token /);
    expect(stdout).toMatch(/\n {2}16,384 tokens of stories and of Shakespeare/);
    expect(stdout).toMatch(/\n {2}whole model: 6\d\.\d %\n/);
    expect(stdout).toMatch(/\npredicted [\d,.]+ tokens\/s/);
    expect(stdout.match(/^ {6}\d +[\d,]+ +[\d,]+ +[\d,]+ {2}[█▓░]{40}$/gm)).toHaveLength(6);

    const trained = /^ {6}\d {2}trained +\d+ +\d+\.\d % +9\d\.\d % +1\.\d\d × firing$/gm;
    expect(stdout.match(trained)).toHaveLength(6);
    const share = /all of them: (\d+\.\d) % of the model's parameters/.exec(stdout)?.[1];
    expect(Number(share)).toBeLessThanOrEqual(15);
    const row =
      /^ {2}predicted +[\d,]+ tokens\/s .* (\d+\.\d) % +(\d\.\d\d) × firing +\d\.\d+ \(\+(\d\.\d+) %\)$/m;
    const [, recall, overPrediction, loss] = (row.exec(stdout) ?? []).map(Number);
    expect(recall).toBeGreaterThanOrEqual(97);
    expect(overPrediction).toBeLessThanOrEqual(1.4);
    expect(loss).toBeLessThan(1);
  },
  SIX_MINUTES,
);
