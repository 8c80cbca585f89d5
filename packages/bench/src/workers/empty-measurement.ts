import type { Measurement } from '../workload.js';

/** A measurement of nothing yet. */
export function emptyMeasurement(about: string, loadMs: number | null = null): Measurement {
  return {
    about,
    loadMs,
    load: null,
    prefillTokensPerSecond: [],
    firstTokenMs: [],
    decodeTokensPerSecond: [],
    stepMs: null,
    innerDecodeTokensPerSecond: [],
    peakMemoryBytes: null,
    bytesPerToken: null,
    computedShare: null,
    ffnBytesPerSecond: null,
    besideReading: null,
  };
}
