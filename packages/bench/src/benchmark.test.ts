import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readBenchmark, writeBenchmark } from './benchmark.js';
import { sampleBenchmark } from './testing/sample-benchmark.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-benchmark-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'run.json');

it('reads what it wrote', async () => {
  const benchmark = sampleBenchmark([100, 90]);
  await writeBenchmark(path, benchmark);
  expect(await readBenchmark(path)).toEqual(benchmark);
});

it.each([
  [
    '{ "format": "thermocline.benchmark", "version"',
    'ARTIFACT_CORRUPT',
    /run\.json.*Write it anew/,
  ],
  ['{ "format": "thermocline.hardware" }', 'ARTIFACT_FORMAT', /no benchmark \(format: therm/],
  ['null', 'ARTIFACT_FORMAT', /no benchmark/],
  ['{ "format": "thermocline.benchmark", "version": 2 }', 'ARTIFACT_VERSION', /version 2/],
  ['{ "format": "thermocline.benchmark", "version": 1 }', 'ARTIFACT_CORRUPT', /made_by/],
])('refuses %s', async (content, code, message) => {
  writeFileSync(path, content);
  const error = await readBenchmark(path).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
});

it('names a file that is not there', async () => {
  await expect(readBenchmark(join(folder, 'no.json'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
});

it('leaves no file when what it shall write is no benchmark', async () => {
  const broken = { ...sampleBenchmark([1]), version: 7 } as never;
  const target = join(folder, 'broken.json');
  await expect(writeBenchmark(target, broken)).rejects.toThrow();
  expect(readdirSync(folder)).not.toContain('broken.json');
});
