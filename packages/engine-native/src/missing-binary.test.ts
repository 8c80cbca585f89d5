import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runScript } from './testing/models.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thermocline-binary-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const OPEN = `
  const error = await engine.openEngine(model).catch((e) => e);
  console.log(JSON.stringify({ code: error.code, message: error.message, ...error.details }));`;

async function openWith(path: string) {
  const result = await runScript(OPEN, { env: { THERMOCLINE_NATIVE_BINARY: path } });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(result.stdout);
}

test('importing needs no binary; the first use says which one is missing', async () => {
  const path = join(folder, 'absent.node');
  expect(await openWith(path)).toMatchObject({
    code: 'NATIVE_BINARY_MISSING',
    tried: [path],
    platform: expect.stringContaining(process.arch),
    message: expect.stringContaining('THERMOCLINE_NATIVE_BINARY'),
  });
});

test('a file that is no binary is refused with what the loader says', async () => {
  const path = join(folder, 'text.node');
  await writeFile(path, 'not a binary');
  expect(await openWith(path)).toMatchObject({ code: 'NATIVE_BINARY_MISSING', tried: [path] });
});

test('a binary that crashes when it is loaded takes only a trial process with it', async () => {
  const { spawnSync } = await import('node:child_process');
  const source = join(folder, 'crash.c');
  const path = join(folder, 'crash.node');
  await writeFile(source, 'void __attribute__((constructor)) crash(void) { __builtin_trap(); }');
  const compiler = process.env['CC'] ?? 'gcc';
  const compiled = spawnSync(compiler, ['-shared', '-fPIC', '-o', path, source], {
    encoding: 'utf8',
  });
  expect(compiled.stderr ?? compiled.error?.message).toBe('');
  expect(await openWith(path)).toMatchObject({
    code: 'NATIVE_BINARY_MISSING',
    reason: expect.stringMatching(/trial process with SIG(ILL|TRAP)/),
  });
});
