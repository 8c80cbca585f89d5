import { errorColors } from './terminal.js';

// Whatever is done sooner needs no bar.
const SHOW_AFTER_MS = 400;

/** A bar on stderr that appears when something takes a while, and only for a person. */
export interface Progress extends Disposable {
  update(done: number, total: number): void;
}

/**
 * @example
 * using progress = await startProgress('Loading');
 * progress.update(0.5, 1);
 */
export async function startProgress(title: string): Promise<Progress> {
  if (!process.stderr.isTTY) return { update() {}, [Symbol.dispose]() {} };
  const { SingleBar, Presets } = await import('cli-progress');
  const bar = new SingleBar(
    {
      format: `${title} ${errorColors.cyan('{bar}')} {percentage} %`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 40,
    },
    Presets.shades_classic,
  );
  const start = performance.now();
  let shown = false;
  return {
    update(done, total) {
      if (!shown && performance.now() - start < SHOW_AFTER_MS) return;
      if (!shown) bar.start(1, 0);
      shown = true;
      bar.update(total > 0 ? done / total : 1);
    },
    [Symbol.dispose]() {
      if (shown) bar.stop();
    },
  };
}
