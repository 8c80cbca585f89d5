import type { Mode, Session, StepStats } from '@thermocline/contracts';
import { loadModel, type Model } from '@thermocline/runtime';
import { percentiles } from '../percentiles.js';
import { repeatFor } from '../repeat.js';
import { seededTokens } from '../tokens.js';
import { type Measurement, neededContext, type Workload } from '../workload.js';
import { decodeBesideReading, type TimedStep } from './beside-reading.js';
import { emptyMeasurement } from './empty-measurement.js';

// Enough to touch every weight, and to let the processor and V8 warm up.
const WARM_UP = 8;

/** Loads a model with Thermocline and times what the workload asks for. */
export async function measureThermocline(work: Workload): Promise<Measurement> {
  const start = performance.now();
  await using model = await open(work);
  const loadMs = performance.now() - start;
  const { info } = model;
  const measurement = emptyMeasurement(`kernels ${info.kernels}, KV ${info.kvType}`, loadMs);
  measurement.load = info.load;
  await using session = await model.engine.createSession({ context: info.context });
  await session.evaluate(seededTokens(work.vocabulary, Math.min(WARM_UP, info.context), 1), {
    mode: work.mode,
  });
  if (work.promptTokens > 0) await timePrefill(session, work, measurement);
  measurement.peakMemoryBytes = highestMemory();
  if (work.generate > 0) await timeDecode(model, session, work, measurement);
  return measurement;
}

function open(work: Workload): Promise<Model> {
  const { threads, kvType, predictors, recall, sparsity, kernels, plan } = work;
  return loadModel(work.model, {
    context: neededContext(work),
    kvType,
    ...(threads !== null && { threads }),
    ...(predictors !== undefined && { predictors }),
    ...(recall !== undefined && { recall }),
    ...(sparsity !== undefined && { sparsity }),
    ...(kernels !== undefined && { kernels }),
    ...(plan !== undefined && { plan }),
  });
}

/** From an empty cache to the logits after the prompt, which is all a first token needs. */
async function timePrefill(session: Session, work: Workload, measurement: Measurement) {
  const prompt = seededTokens(work.vocabulary, work.promptTokens, work.seed);
  measurement.firstTokenMs = await repeatFor(work.leastMs, async () => {
    await session.truncate(0);
    return timed(() => session.evaluate(prompt, { mode: work.mode, logits: 'last' }));
  });
  measurement.prefillTokensPerSecond = measurement.firstTokenMs.map(
    (time) => (1000 * prompt.length) / time,
  );
}

async function timeDecode(
  model: Model,
  first: Session,
  work: Workload,
  measurement: Measurement,
): Promise<void> {
  const { mode, vocabulary, seed, batch, generate } = work;
  const tokens = seededTokens(vocabulary, Math.max(1, work.context) + generate, seed);
  const cached = tokens.subarray(0, tokens.length - generate);
  await first.truncate(0);
  await first.evaluate(cached, { mode, logits: 'none' });
  const sessions = [first];
  while (sessions.length < batch) sessions.push(await first.fork());

  const steps: number[] = [];
  const costs: StepStats[] = [];
  const decode = work.decode === 'forced' ? decodeForced : decodeGreedily;
  const times = await repeatFor(work.leastMs, async () => {
    for (const session of sessions) await session.truncate(cached.length);
    return decode(model, sessions, { mode, tokens, steps, costs });
  });
  measurement.peakMemoryBytes = highestMemory();
  for (const session of sessions) await session.truncate(cached.length);
  measurement.besideReading = await decodeBesideReading(
    (index) =>
      stepForced(model, sessions, { mode, following: tokens.subarray(cached.length) }, index),
    generate,
    work.threads,
  );
  for (const session of sessions.slice(1)) await session.close();
  measurement.decodeTokensPerSecond = times.map((time) => (1000 * generate * batch) / time);
  measurement.stepMs = percentiles(steps);
  Object.assign(measurement, costPerToken(costs, batch));
}

interface Decoding {
  mode: Mode;
  /** What is cached, and what follows. */
  tokens: Int32Array;
  /** Where times of steps and their costs go. */
  steps: number[];
  costs: StepStats[];
}

async function decodeForced(
  model: Model,
  sessions: readonly Session[],
  { mode, tokens, steps, costs }: Decoding,
): Promise<number> {
  const following = tokens.subarray(sessions[0]?.length ?? 0);
  let time = 0;
  for (let i = 0; i < following.length; i++) {
    const step = await stepForced(model, sessions, { mode, following }, i);
    costs.push(...step.costs);
    steps.push(step.ms);
    time += step.ms;
  }
  return time;
}

/** All sequences step together through the given tokens, each shifted, so that they differ. */
async function stepForced(
  { engine }: Model,
  sessions: readonly Session[],
  { mode, following }: { mode: Mode; following: Int32Array },
  index: number,
): Promise<TimedStep> {
  const items = sessions.map((session, row) => {
    const at = (index + row) % following.length;
    return { session, tokens: following.subarray(at, at + 1), logits: 'last' as const };
  });
  const start = performance.now();
  const results = await engine.step(items, { mode });
  return { costs: results.map(({ stats }) => stats), ms: performance.now() - start };
}

/** The engine's own loop; what several sequences want at a time it computes in one pass. */
async function decodeGreedily(
  _: Model,
  sessions: readonly Session[],
  { mode, tokens, steps, costs }: Decoding,
): Promise<number> {
  const cached = sessions[0]?.length ?? 0;
  const count = tokens.length - cached;
  // The first token takes a step of its own, which is no decode; the last cached one is its input.
  for (const session of sessions) await session.truncate(cached - 1);
  const runs = sessions.map(
    (session) =>
      session.generate(tokens.subarray(cached - 1, cached), {
        mode,
        maxTokens: count,
        ignoreEos: true,
      }).result,
  );
  let time = 0;
  for (const { tokenTimesMs, decode } of await Promise.all(runs)) {
    costs.push(decode);
    for (const [i, at] of tokenTimesMs.entries()) {
      if (i > 0) steps.push(at - (tokenTimesMs[i - 1] as number));
    }
    const elapsed = (tokenTimesMs.at(-1) as number) - (tokenTimesMs[0] as number);
    // As if all tokens had taken what those after the first took.
    time = Math.max(time, (elapsed * count) / Math.max(1, tokenTimesMs.length - 1));
  }
  return time;
}

function costPerToken(
  costs: readonly StepStats[],
  batch: number,
): Pick<Measurement, 'bytesPerToken' | 'computedShare' | 'ffnBytesPerSecond'> {
  const sum = (of: (stats: StepStats) => number) =>
    costs.reduce((total, stats) => total + of(stats), 0);
  const all = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const tokens = sum((stats) => stats.tokens);
  const neurons = sum((stats) => all(stats.neurons));
  const ffn = sum(({ ffnBytesRead: { cpu, gpu, flash } }) => cpu + gpu + flash);
  // Bytes are shared out among the sequences of a step; its time is told to each of them.
  const ffnMs = sum((stats) => stats.ffnMs) / batch;
  return {
    bytesPerToken: {
      total: sum(({ bytesRead }) => bytesRead.cpu + bytesRead.gpu + bytesRead.flash) / tokens,
      ffn: ffn / tokens,
      predictors: sum(({ predictorBytes }) => all(predictorBytes)) / tokens,
    },
    computedShare: neurons > 0 ? sum((stats) => all(stats.computed)) / neurons : null,
    ffnBytesPerSecond: ffn > 0 && ffnMs > 0 ? (1000 * ffn) / ffnMs : null,
  };
}

/** Highest resident memory so far. */
function highestMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
