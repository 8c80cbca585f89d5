import { expect, it } from 'vitest';
import { keepCoresBusy } from './busy-cores.js';
import { busyMs } from './other-load.js';
import { runFresh } from './run-fresh.js';
import { runProgram } from './run-program.js';

const node = (text: string): [string, ...string[]] => [process.execPath, '-e', text];

it('takes the last line that a program prints, whatever else it prints', async () => {
  const text = `console.log('words'); console.log(JSON.stringify({ ...JSON.parse(process.argv[1]), cpuMs: 5 }))`;
  const { answer, attempts } = await runFresh<{ cpuMs: number; x: string }>(
    node(text),
    { x: 'ä "quoted"' },
    { idleWaitMs: 0 },
  );
  expect(answer).toEqual({ x: 'ä "quoted"', cpuMs: 5 });
  expect(attempts).toBe(1);
});

it('knows the work of others from that of the program', async () => {
  if (busyMs() === null) return console.warn('skipped: this system does not tell how busy it is');
  // It claims to have done nothing, so that its own work counts as that of others.
  const burn = `const end = Date.now() + 600; while (Date.now() < end); console.log('{"cpuMs":0}')`;
  const { otherLoad } = await runFresh<{ cpuMs: number }>(node(burn), {}, { idleWaitMs: 0 });
  expect(otherLoad).toBeGreaterThan(0.5);
});

it('runs again on a disturbed machine, but not for ever', async () => {
  if (busyMs() === null) return console.warn('skipped: this system does not tell how busy it is');
  using _neighbour = await keepCoresBusy(1);
  const work = `setTimeout(() => console.log('{"cpuMs":0}'), 300)`;
  const { otherLoad, attempts } = await runFresh<{ cpuMs: number }>(
    node(work),
    {},
    { idleWaitMs: 1 },
  );
  expect(attempts).toBe(3);
  expect(otherLoad).toBeGreaterThan(0.25);
});

it('stops on the signal', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 200);
  const running = runProgram(node('setInterval(() => {}, 1000)'), { signal: controller.signal });
  await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
});
