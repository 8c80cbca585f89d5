import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expandCases } from './cases.js';
import type { Contender, Dimension } from './contender.js';
import { serverPeer } from './peers/server.js';
import { thermocline } from './peers/thermocline.js';

const list = fc.uniqueArray(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 3 });

function contender(name: string, takes: Dimension[]): Contender {
  return { ...thermocline, name, takes: new Set(takes) };
}

it('measures every combination once, each engine by what it can be told', () => {
  fc.assert(
    fc.property(list, list, list, (threads, batch, context) => {
      const grid = { threads, batch, context, busyCores: [0] };
      const command = contender('command', ['threads']);
      const server = serverPeer('http://localhost:1/v1');
      const cases = expandCases(0, ['dense', 'exact'], grid, [thermocline, command, server]);
      const count = (name: string) => cases.filter((one) => one.contender.name === name).length;
      const all = threads.length * batch.length * context.length;
      expect(count('thermocline')).toBe(2 * all);
      expect(count('command')).toBe(threads.length);
      expect(count('localhost:1')).toBe(batch.length * context.length);
      const keys = cases.map(({ contender: { name }, ...key }) => JSON.stringify([name, key]));
      expect(new Set(keys).size).toBe(keys.length);
    }),
    { numRuns: 30 },
  );
});

it('leaves busy cores to engines of this machine, and modes to this engine', () => {
  const grid = { threads: [2], batch: [1], context: [0], busyCores: [0, 1] };
  const server = serverPeer('http://localhost:1/v1');
  const cases = expandCases(0, ['exact'], grid, [thermocline, server]);
  expect(
    cases.map(({ contender: { name }, mode, threads, busyCores }) => [
      name,
      mode,
      threads,
      busyCores,
    ]),
  ).toEqual([
    ['thermocline', 'exact', 2, 0],
    ['localhost:1', 'dense', null, 0],
    ['thermocline', 'exact', 2, 1],
  ]);
});
