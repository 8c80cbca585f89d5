import { describe, expect, it } from 'vitest';
import { parseShard, shardFromEnvironment } from './parse-shard.js';

const kubernetes = { JOB_COMPLETION_INDEX: '2' };
const slurm = {
  SLURM_ARRAY_TASK_ID: '7',
  SLURM_ARRAY_TASK_MIN: '5',
  SLURM_ARRAY_TASK_MAX: '8',
  SLURM_ARRAY_TASK_STEP: '1',
  SLURM_ARRAY_TASK_COUNT: '4',
};

describe('parseShard', () => {
  it.each([
    ['2/8', {}, { index: 2, count: 8 }],
    ['0/1', kubernetes, { index: 0, count: 1 }],
    ['8', kubernetes, { index: 2, count: 8 }],
    ['auto/8', kubernetes, { index: 2, count: 8 }],
    ['auto', slurm, { index: 2, count: 4 }],
    ['4', slurm, { index: 2, count: 4 }],
    [
      'auto',
      { ...slurm, SLURM_ARRAY_TASK_ID: '9', SLURM_ARRAY_TASK_STEP: '2' },
      { index: 2, count: 4 },
    ],
    ['3', { SLURM_ARRAY_TASK_ID: '1' }, { index: 1, count: 3 }],
    ['3', { JOB_COMPLETION_INDEX: '', SLURM_ARRAY_TASK_ID: '1' }, { index: 1, count: 3 }],
  ])('%s under %j is %j', (text, env, expected) => {
    expect(parseShard(text, env)).toEqual(expected);
  });

  it.each([
    ['8/8', {}, '0 ≤ I < N'],
    ['0/0', {}, '0 ≤ I < N'],
    ['-1/8', {}, 'I/N'],
    ['1/auto', {}, 'I/N'],
    ['1.5/8', {}, 'I/N'],
    ['', {}, 'I/N'],
    ['8', {}, /JOB_COMPLETION_INDEX.*SLURM_ARRAY_TASK_ID/],
    ['auto', {}, /JOB_COMPLETION_INDEX.*SLURM_ARRAY_TASK_ID/],
    ['auto', kubernetes, 'use auto/N'],
    ['2', kubernetes, '0 ≤ I < N'],
    ['8', slurm, 'the Slurm array has 4 tasks'],
    ['4', { JOB_COMPLETION_INDEX: 'two' }, '"two" is no whole number'],
    ['auto', { ...slurm, SLURM_ARRAY_TASK_ID: '9' }, 'without gaps'],
    ['auto', { ...slurm, SLURM_ARRAY_TASK_STEP: '3' }, 'without gaps'],
  ])('%s under %j is refused', (text, env, message) => {
    expect(() => parseShard(text, env)).toThrow(message);
  });

  it('knows when there is no scheduler', () => {
    expect(shardFromEnvironment({})).toBeUndefined();
  });
});
