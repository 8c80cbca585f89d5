import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { loadBinary } from './binding.js';

/** A set of kernels, and whether and why it is used here. */
export interface KernelSet {
  name: string;
  supported: boolean;
  /** The set the engine takes unless told otherwise. */
  chosen: boolean;
  /** Processor features it is made of. */
  needs: string;
  /** What it gives up for speed, which is why it must be named; null: nothing. */
  trade: string | null;
  why: string;
}

export interface HostInfo {
  cpu: {
    model: string;
    /** Physical cores and hardware threads this process may use. */
    cores: number;
    threads: number;
    /** Instruction sets the kernels ask about, if the system lets them be used. */
    features: string[];
  };
  /** Best first; then those that must be named, and the reference. */
  kernels: KernelSet[];
  memory: { totalBytes: number; availableBytes: number };
  /** Whether weights may lie in huge pages; null where the system does not say. */
  hugePages: 'always' | 'madvise' | 'never' | null;
  /** The native binary in use. */
  binary: string;
  platform: string;
}

/**
 * Describes this machine as the engine sees it, without measuring anything.
 *
 * @throws PipelineError `NATIVE_BINARY_MISSING`
 *
 * @example
 * const { kernels } = hostInfo();
 * console.log(kernels.find((set) => set.chosen)?.name);
 */
export function hostInfo(): HostInfo {
  const { binding, path } = loadBinary();
  const raw = binding.hostInfo();
  const kernels = raw.kernels.map((set) => ({ ...set, why: explain(set) }));
  return {
    cpu: { model: raw.cpuModel, cores: raw.cores, threads: raw.threads, features: raw.features },
    kernels,
    memory: { totalBytes: totalmem(), availableBytes: raw.availableBytes },
    hugePages: hugePages(),
    binary: path,
    platform: `${process.platform}-${process.arch}`,
  };
}

function explain({ supported, chosen, needs, trade }: Omit<KernelSet, 'why'>): string {
  if (!supported) return `this processor or system lacks some of: ${needs}`;
  if (trade !== null) return `runs here when it is named: ${trade}`;
  return chosen ? 'the fastest that runs here' : 'runs here, but a faster one does too';
}

function hugePages(): HostInfo['hugePages'] {
  try {
    const text = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8');
    const chosen = /\[(always|madvise|never)\]/.exec(text)?.[1];
    return (chosen as HostInfo['hugePages']) ?? null;
  } catch {
    return null;
  }
}
