import { errorColors } from './terminal.js';

// Whatever is done sooner needs no bar.
const SHOW_AFTER_MS = 400;

/** A bar on stderr that appears when something takes a while, and only for a person. */
export interface Progress extends Disposable {
  /** `detail` stands behind the bar. */
  update(done: number, total: number, detail?: string): void;
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
      format: `${title} ${errorColors.cyan('{bar}')} {percentage} %  {detail}`,
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
    update(done, total, detail = '') {
      if (!shown && performance.now() - start < SHOW_AFTER_MS) return;
      if (!shown) bar.start(1, 0, { detail });
      shown = true;
      bar.update(total > 0 ? done / total : 1, { detail });
    },
    [Symbol.dispose]() {
      if (shown) bar.stop();
    },
  };
}
