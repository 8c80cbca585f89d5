import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockFolder } from './folder-lock.js';
import { startOfProcess } from './process-start.js';
import { temporaryFolder } from './testing/temporary-folder.js';

const folder = temporaryFolder();

function heldBy(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'in-use'), text);
  return path;
}

describe('lockFolder', () => {
  it('keeps out a second one until the first gives it back', async () => {
    const path = heldBy('twice', '');
    const unlock = await lockFolder(path);
    await expect(lockFolder(path)).rejects.toThrow(`process ${process.pid} is training there`);
    await unlock();
    await (await lockFolder(path))();
  });

  it('believes a process that lives, and began when it says', async () => {
    const start = await startOfProcess(process.ppid);
    await expect(lockFolder(heldBy('parent', `${process.ppid} ${start}\n`))).rejects.toThrow(
      /is training there/,
    );
    // As older versions wrote it.
    await expect(lockFolder(heldBy('no-start', `${process.ppid}\n`))).rejects.toThrow(
      /is training there/,
    );
  });

  it.runIf(process.platform === 'linux')('takes over from a number given again', async () => {
    const path = heldBy('recycled', `${process.ppid} 1\n`);
    const unlock = await lockFolder(path);
    expect(readFileSync(join(path, 'in-use'), 'utf8')).toMatch(/^\d+ \d+\n$/);
    await unlock();
  });

  it.runIf(process.platform === 'linux')('takes over from a zombie', async () => {
    // The shell starts a child, becomes a program that never asks for it, and the child ends.
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 30']);
    try {
      const pid = await new Promise<number>((resolve) =>
        parent.stdout.once('data', (text) => resolve(Number(text))),
      );
      await expect.poll(() => startOfProcess(pid)).toBe('gone');
      await (await lockFolder(heldBy('zombie', `${pid} 123\n`)))();
    } finally {
      parent.kill();
    }
  });
});
