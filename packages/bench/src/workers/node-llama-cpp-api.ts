// The part of node-llama-cpp that is used here, spelled out: the library is an optional peer of
// several hundred megabytes, and this package builds without it.

export interface NodeLlamaCpp {
  getLlama(options: {
    gpu: false;
    build: 'never';
    maxThreads: number;
    logLevel: unknown;
    logger: (level: unknown, text: string) => void;
  }): Promise<Llama>;
  LlamaLogLevel: { info: unknown };
}

interface Llama {
  llamaCppRelease: { release: string };
  loadModel(options: { modelPath: string }): Promise<LlamaModel>;
}

interface LlamaModel {
  createContext(options: {
    contextSize: number;
    sequences: number;
    threads: number;
    batchSize: number;
    performanceTracking: boolean;
  }): Promise<LlamaContext>;
}

export interface LlamaContext {
  getSequence(): LlamaSequence;
  /** Writes the counters to the log and starts them anew. */
  printTimings(): Promise<void>;
}

export interface LlamaSequence {
  clearHistory(): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
  /** A token handed to `next` takes the place of the one that was generated. */
  evaluate(
    tokens: number[],
    options: { temperature: number; yieldEogToken: boolean },
  ): AsyncGenerator<number, void, undefined | number>;
}
