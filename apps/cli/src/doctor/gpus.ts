import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isPipelineError } from '@thermocline/contracts';
import { formatBytes, listGpus } from '@thermocline/runtime';

const CARDS = '/sys/class/drm';
const VENDORS: Record<number, string> = {
  [0x10de]: 'NVIDIA',
  [0x1002]: 'AMD',
  [0x8086]: 'Intel',
};

type VulkanGpu = Awaited<ReturnType<typeof listGpus>>[number];

/** A GPU of this machine, and what becomes of it. */
export interface Gpu {
  name: string;
  used: boolean;
  reason: string;
}

/** The GPUs that Vulkan offers, and those that only Linux knows of because a driver is missing. */
export async function findGpus(): Promise<Gpu[]> {
  const [{ gpus, problem }, cards] = await Promise.all([vulkanGpus(), systemGpus()]);
  const hidden = cards.filter(
    (card) => !gpus.some(({ vendorId, deviceId }) => same(card, vendorId, deviceId)),
  );
  return [
    ...gpus.map((gpu) => ({ name: gpu.name, used: false, reason: explain(gpu) })),
    ...hidden.map(({ vendorId, deviceId }) => ({
      name: `${VENDORS[vendorId]} 0x${deviceId.toString(16)}`,
      used: false,
      reason: `the system knows it, but Vulkan does not (${problem ?? 'no driver offers it'})`,
    })),
  ];
}

function explain({ type, unusable, capacityBytes, availableBytes }: VulkanGpu): string {
  if (unusable !== null) return unusable;
  if (type === 'cpu') return 'a processor that poses as a GPU; passed over';
  const free = availableBytes === null ? '' : `, ${formatBytes(availableBytes)} free`;
  return `${type}, ${formatBytes(capacityBytes)}${free}; this release computes on the processor only, thermocline probe measures it`;
}

/** Without Vulkan, and without a binary of ours, there is still what the system knows. */
async function vulkanGpus(): Promise<{ gpus: VulkanGpu[]; problem?: string }> {
  try {
    return { gpus: await listGpus() };
  } catch (error) {
    if (isPipelineError(error)) return { gpus: [], problem: error.message };
    throw error;
  }
}

interface Card {
  vendorId: number;
  deviceId: number;
}

function same(card: Card, vendorId: number, deviceId: number): boolean {
  return card.vendorId === vendorId && card.deviceId === deviceId;
}

/** The GPUs that Linux knows of; virtual displays have no vendor that makes GPUs. */
async function systemGpus(): Promise<Card[]> {
  const entries = await readdir(CARDS).catch(() => [] as string[]);
  const cards: Card[] = [];
  for (const card of entries.filter((name) => /^card\d+$/.test(name)).sort()) {
    const read = (file: string) =>
      readFile(join(CARDS, card, 'device', file), 'utf8').then(Number, () => 0);
    const found = { vendorId: await read('vendor'), deviceId: await read('device') };
    if (found.vendorId in VENDORS) cards.push(found);
  }
  return cards;
}
