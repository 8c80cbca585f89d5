import type { FreshOptions, FreshRun } from './process/run-fresh.js';
import type { Measurement, Workload } from './workload.js';

/** What an engine can be told; what it cannot, is measured once and not once per value. */
export type Dimension = 'threads' | 'batch' | 'context';

/** An engine that is measured: ours or a peer. */
export interface Contender {
  /** As results name it: `thermocline`, `node-llama-cpp`, a host, a program. */
  readonly name: string;
  readonly takes: ReadonlySet<Dimension>;
  /** A process of the machine, so that cores kept busy beside it mean something. */
  readonly local: boolean;
  measure(work: Workload, options: FreshOptions): Promise<FreshRun<Measurement>>;
}
