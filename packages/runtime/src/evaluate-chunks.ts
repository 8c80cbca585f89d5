import type { Evaluation, Mode, Session } from '@thermocline/contracts';
import type { ScoredText } from './scored-text.js';

// Logits of a chunk are held at once; this bounds them for large vocabularies.
const MAX_LOGIT_BYTES = 32 << 20;
const MAX_CHUNK = 128;

/** A timeline that reads the text in a mode. */
export interface Lane {
  session: Session;
  mode: Mode;
  /** Whether to compare predictions with what fires. */
  audit: boolean;
}

/** A part of a window, read by all lanes. */
export interface EvaluatedChunk {
  /** Ids from `start` up to `end` were read; ids one further on are foretold. */
  start: number;
  end: number;
  /** [lanes], logits at every id */
  evaluations: Evaluation[];
}

interface Chunk {
  start: number;
  end: number;
  /** Whether it begins a window. */
  fresh: boolean;
}

/**
 * Lets several timelines read the same windows, chunk by chunk and one chunk ahead, so that the
 * engine computes while the caller scores. However many there are, their logits together stay
 * bounded.
 */
export async function* evaluateChunks(
  lanes: readonly Lane[],
  { ids, total, context }: ScoredText,
  options: { vocab: number; signal?: AbortSignal },
): AsyncGenerator<EvaluatedChunk> {
  const { vocab, signal } = options;
  const chunks = cutChunks(total, context, rowsAtOnce(vocab, lanes.length));
  const begin = ({ start, end, fresh }: Chunk) =>
    Promise.all(
      lanes.map(async ({ session, mode, audit }) => {
        if (fresh) await session.truncate(0);
        return session.evaluate(ids.subarray(start, end), {
          mode,
          logits: 'all',
          ...(audit && { audit }),
          ...(signal && { signal }),
        });
      }),
    );
  let next = chunks[0] && begin(chunks[0]);
  for (const [index, { start, end }] of chunks.entries()) {
    const evaluations = await next;
    if (evaluations === undefined) return;
    const following = chunks[index + 1];
    next = following && begin(following);
    // Met when it is awaited; until then nobody else would.
    next?.catch(() => undefined);
    yield { start, end, evaluations };
  }
}

function rowsAtOnce(vocab: number, lanes: number): number {
  const rows = Math.floor(MAX_LOGIT_BYTES / (4 * vocab * lanes));
  return Math.max(1, Math.min(MAX_CHUNK, rows));
}

function cutChunks(total: number, context: number, rows: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let window = 0; window < total; window += context) {
    const windowEnd = Math.min(window + context, total);
    for (let start = window; start < windowEnd; start += rows) {
      chunks.push({ start, end: Math.min(start + rows, windowEnd), fresh: start === window });
    }
  }
  return chunks;
}
