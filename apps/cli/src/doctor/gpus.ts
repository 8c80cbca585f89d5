import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const CARDS = '/sys/class/drm';
const VENDORS: Record<string, string> = {
  '0x10de': 'NVIDIA',
  '0x1002': 'AMD',
  '0x8086': 'Intel',
};

/** A GPU of this machine, and what becomes of it. */
export interface Gpu {
  name: string;
  used: boolean;
  reason: string;
}

/** The GPUs that Linux knows of; virtual displays have no vendor that makes GPUs. */
export async function findGpus(): Promise<Gpu[]> {
  const entries = await readdir(CARDS).catch(() => [] as string[]);
  const gpus: Gpu[] = [];
  for (const card of entries.filter((name) => /^card\d+$/.test(name)).sort()) {
    const read = (file: string) =>
      readFile(join(CARDS, card, 'device', file), 'utf8').then(
        (text) => text.trim(),
        () => '',
      );
    const vendor = VENDORS[await read('vendor')];
    if (vendor === undefined) continue;
    gpus.push({
      name: `${vendor} ${await read('device')}`.trim(),
      used: false,
      reason: 'this release computes on the processor only',
    });
  }
  return gpus;
}
