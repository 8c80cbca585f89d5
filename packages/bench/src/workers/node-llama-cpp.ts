import { percentiles } from '../percentiles.js';
import { repeatFor } from '../repeat.js';
import { seededTokens } from '../tokens.js';
import { type Measurement, neededContext, type Workload } from '../workload.js';
import { emptyMeasurement } from './empty-measurement.js';
import type { LlamaContext, LlamaSequence, NodeLlamaCpp } from './node-llama-cpp-api.js';

const WARM_UP = 8;

/**
 * The mirror image of `measureThermocline`. Decode runs through `sequence.evaluate`, the loop that
 * node-llama-cpp's own chat runs on; what llama.cpp itself counts for the same tokens, without
 * sampling and JavaScript, is read from its performance log.
 *
 * @param url - of the library's entry
 */
export async function measureNodeLlamaCpp(work: Workload, url: string): Promise<Measurement> {
  const { getLlama, LlamaLogLevel } = (await import(url)) as NodeLlamaCpp;
  const log: string[] = [];
  const threads = work.threads ?? 0;
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    logLevel: LlamaLogLevel.info,
    logger: (_level, text) => void log.push(text),
  });
  const start = performance.now();
  const model = await llama.loadModel({ modelPath: work.model });
  const loadMs = performance.now() - start;
  const context = await model.createContext({
    // A full context would be shifted; one that is larger never fills.
    contextSize: neededContext(work) + 16,
    sequences: work.batch,
    threads,
    batchSize: 512,
    performanceTracking: true,
  });
  const sequences = Array.from({ length: work.batch }, () => context.getSequence());
  const about = `llama.cpp ${llama.llamaCppRelease.release}, KV f16, library defaults`;
  const measurement = emptyMeasurement(about, loadMs);
  const first = sequences[0] as LlamaSequence;
  await first.evaluateWithoutGeneratingNewTokens([...seededTokens(work.vocabulary, WARM_UP, 1)]);

  if (work.promptTokens > 0) await timePrefill(first, work, measurement);
  if (work.generate > 0) await timeDecode(context, sequences, log, work, measurement);
  measurement.peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
  return measurement;
}

async function timePrefill(sequence: LlamaSequence, work: Workload, measurement: Measurement) {
  const prompt = [...seededTokens(work.vocabulary, work.promptTokens, work.seed)];
  measurement.firstTokenMs = await repeatFor(work.leastMs, async () => {
    await sequence.clearHistory();
    const start = performance.now();
    const generation = sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true });
    await generation.next();
    const time = performance.now() - start;
    await generation.return();
    return time;
  });
  measurement.prefillTokensPerSecond = measurement.firstTokenMs.map(
    (time) => (1000 * prompt.length) / time,
  );
}

async function timeDecode(
  context: LlamaContext,
  sequences: readonly LlamaSequence[],
  log: string[],
  work: Workload,
  measurement: Measurement,
): Promise<void> {
  const { generate, batch } = work;
  const cached = Math.max(1, work.context);
  const tokens = [...seededTokens(work.vocabulary, cached + generate, work.seed)];
  const steps: number[] = [];
  const times = await repeatFor(work.leastMs, async () => {
    for (const sequence of sequences) {
      await sequence.clearHistory();
      const prompt = tokens.slice(0, cached - 1);
      if (prompt.length > 0) await sequence.evaluateWithoutGeneratingNewTokens(prompt);
    }
    await context.printTimings(); // resets the counters
    log.length = 0;
    const generations = sequences.map((sequence) =>
      sequence.evaluate([tokens[cached - 1] as number], { temperature: 0, yieldEogToken: true }),
    );
    await Promise.all(generations.map((generation) => generation.next()));
    const start = performance.now();
    let before = start;
    for (let i = 0; i < generate; i++) {
      await Promise.all(
        generations.map((generation, row) =>
          work.decode === 'forced'
            ? generation.next(tokens[cached + ((i + row) % generate)] as number)
            : generation.next(),
        ),
      );
      const now = performance.now();
      steps.push(now - before);
      before = now;
    }
    await context.printTimings();
    const inner = innerSpeed(log);
    if (inner !== null && batch === 1) measurement.innerDecodeTokensPerSecond.push(inner);
    for (const generation of generations) await generation.return();
    return before - start;
  });
  measurement.decodeTokensPerSecond = times.map((time) => (1000 * generate * batch) / time);
  measurement.stepMs = percentiles(steps);
}

/** What llama.cpp says of the tokens it computed one by one. */
function innerSpeed(log: readonly string[]): number | null {
  const lines = log.flatMap((text) => text.split('\n')).filter((line) => !line.includes('prompt'));
  const match = /\beval time =.*?([\d.]+) tokens per second/.exec(lines.join('\n'));
  return match ? Number(match[1]) : null;
}
