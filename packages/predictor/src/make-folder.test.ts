import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from './make-folder.js';
import { temporaryFolder } from './testing/temporary-folder.js';

const folder = temporaryFolder();

describe('makeFolder', () => {
  it('makes those above it too, and takes what is there', async () => {
    const path = join(folder, 'a', 'b', 'c');
    await makeFolder(path);
    await makeFolder(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('refuses a place that a file has', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    await expect(makeFolder(path)).rejects.toMatchObject({ name: 'PipelineError' });
    await expect(makeFolder(join(path, 'below'))).rejects.toMatchObject({ name: 'PipelineError' });
  });

  it.runIf(process.platform === 'linux')('refuses a place that takes no folders', async () => {
    for (const path of ['/proc/no-such', '/proc/no-such/below']) {
      await expect(makeFolder(path)).rejects.toThrow('/proc/no-such: no folder can be made');
    }
  });
});
