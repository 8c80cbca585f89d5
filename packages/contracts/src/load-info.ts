/** How far the reading of a model has come. */
export interface LoadProgress {
  /** Bytes of the model's files that are read and packed. */
  bytes: number;
  totalBytes: number;
  /** 0 before the first byte. */
  bytesPerSecond: number;
}

/** How a model's weights were read, and where they lie. */
export interface LoadInfo {
  /** Bytes of the model's files that were read, and the time it took with packing. */
  fileBytes: number;
  seconds: number;
  /** Of them, those that the system's cache held already. */
  cachedBytes: number;
  /** Why reads could not go past the system's cache; null: they did, and left it as it was. */
  cacheFallback: string | null;
  /** Memory that was used for reading, and is given back. */
  stagingBytes: number;
  /** Memory that holds the weights. */
  weightBytes: number;
  /** Of it, what lies in huge pages; null: the system does not tell. */
  hugePageBytes: number | null;
}
