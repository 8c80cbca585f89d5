import type { TrainPredictorsOptions } from '@thermocline/runtime';

type Listener<K extends 'onLayer' | 'onProgress'> = NonNullable<TrainPredictorsOptions[K]>;
type Layer = Parameters<Listener<'onLayer'>>[0];
type Progress = Parameters<Listener<'onProgress'>>[0];

export const PHASES: Record<Progress['phase'], string> = {
  collect: 'watching the model read',
  size: 'choosing widths',
  train: 'training',
  calibrate: 'calibrating thresholds',
};

/** After so long without a line, one says how far it is. */
const QUIET_MS = 30_000;

/** Shows in a log, where a bar cannot be seen, that a long training lives: a line for each layer. */
export class TrainingLog {
  readonly #layers: number;
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  #layerSince: number;
  #lineSince: number;

  /** @param now - milliseconds */
  constructor(layers: number, write: (line: string) => void, now = () => performance.now()) {
    this.#layers = layers;
    this.#write = write;
    this.#now = now;
    this.#layerSince = this.#lineSince = now();
  }

  /** A layer is ready; its time includes what was read for it. */
  layer({
    layer,
    kind,
    rank,
    reason,
    resumed,
  }: Pick<Layer, 'layer' | 'kind' | 'rank' | 'reason' | 'resumed'>): void {
    const seconds = Math.round((this.#now() - this.#layerSince) / 1000);
    const made = kind === 'none' ? `no predictor, ${reason}` : kind;
    const width = rank === undefined ? '' : `, width ${rank}`;
    const time = resumed ? 'from an earlier call' : `${seconds} s`;
    this.#line(`layer ${layer} (${layer + 1} of ${this.#layers}): ${made}${width}, ${time}`);
    this.#layerSince = this.#lineSince;
  }

  progress({ phase, layer, fraction }: Progress): void {
    if (this.#now() - this.#lineSince < QUIET_MS) return;
    const where = layer === undefined ? '' : ` layer ${layer}`;
    this.#line(`${PHASES[phase]}${where}, ${Math.floor(100 * fraction)} %`);
  }

  #line(text: string): void {
    this.#write(text);
    this.#lineSince = this.#now();
  }
}
