// Loads a model once, and reads its file past the system's cache before and after, in one process.
import { execFileSync } from 'node:child_process';
import { constants, readFileSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { openEngine } from '@thermocline/engine-native';
import { finish, task } from './fresh-process.mjs';

const MIB = 2 ** 20;
const READERS = 8; // as the probe of drives has them; the parent gives Node as many threads

/** @type {{ path: string, threads: number }} */
const { path, threads } = task();
// Out of the system's cache: what somebody wrote or read just now would come from there.
execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
const before = await readSequentially();
const [cache, resident, cpu] = [cachedBytes(), process.memoryUsage.rss(), process.cpuUsage()];
const start = performance.now();
const engine = await openEngine(path, { threads });
const openSeconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpu);
const [grownRss, grownCache] = [process.memoryUsage.rss() - resident, cachedBytes() - cache];
const { load, model } = engine.info;
await engine.close();
const after = await readSequentially();
finish({
  driveBytesPerSecond: (before + after) / 2,
  openSeconds,
  userSeconds: user / 1e6,
  systemSeconds: system / 1e6,
  rssOverWeights: grownRss / load.weightBytes,
  cacheGrownBytes: grownCache,
  type: model.weight_types['ffn'],
  load,
});

/** Bytes per second of plain direct reads of the file from its first byte to its last. */
async function readSequentially() {
  const file = await open(path, constants.O_RDONLY | (constants.O_DIRECT ?? 0));
  const { size } = await file.stat();
  const buffers = Array.from({ length: READERS }, () => alignedBuffer(file.fd));
  let next = 0;
  let got = 0;
  const start = performance.now();
  await Promise.all(
    buffers.map(async (buffer) => {
      while (next < size) {
        const at = next;
        next += MIB;
        const { bytesRead } = await file.read(buffer, 0, MIB, at);
        got += bytesRead;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  await file.close();
  if (got !== size) throw new Error(`${path}: ${got} of ${size} bytes were read`);
  return size / seconds;
}

/** 1 MiB where direct reads take it. JavaScript does not tell addresses, so they are tried. */
function alignedBuffer(/** @type {number} */ file) {
  const room = Buffer.from(new ArrayBuffer(2 * MIB));
  for (let offset = 0; offset < 8192; offset += 16) {
    try {
      readSync(file, room, offset, 4096, 0);
      return room.subarray(offset, offset + MIB);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error;
    }
  }
  throw new Error(`${path}: no direct reads here`);
}

function cachedBytes() {
  return 1024 * Number(/^Cached:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);
}
