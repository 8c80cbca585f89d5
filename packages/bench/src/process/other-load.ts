import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

// Below this many cores' worth of other work a machine counts as idle.
const IDLE = 0.15;
const SAMPLE_MS = 250;
// `/proc/stat` counts hundredths of a second on every Linux that Node runs on.
const MS_PER_TICK = 10;

/** Milliseconds all processors have been busy since the start; `null` where Linux does not say. */
export function busyMs(): number | null {
  try {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).slice(1) ?? [];
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields.map(Number);
    return (user + nice + system + irq + softirq) * MS_PER_TICK;
  } catch {
    return null;
  }
}

/**
 * Waits for the machine to be idle, for at most the given time.
 *
 * @returns the cores' worth of work that others do in the end, or `null` where it cannot be told
 *
 * @example
 * const load = await waitForIdle(10_000);
 * if (load !== null && load > 0.15) console.warn('Others are working on this machine.');
 */
export async function waitForIdle(
  timeLimitMs: number,
  signal?: AbortSignal,
): Promise<number | null> {
  const end = performance.now() + timeLimitMs;
  let load = await loadNow(signal);
  while (load !== null && load > IDLE && performance.now() < end && !signal?.aborted) {
    load = await loadNow(signal);
  }
  return load;
}

async function loadNow(signal: AbortSignal | undefined): Promise<number | null> {
  const [start, before] = [performance.now(), busyMs()];
  if (before === null) return null;
  await sleep(SAMPLE_MS, undefined, { signal }).catch(() => undefined);
  const after = busyMs();
  return after === null ? null : (after - before) / (performance.now() - start);
}
