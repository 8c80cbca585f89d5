import { EventSourceParserStream } from 'eventsource-parser/stream';

/** When the tokens of one streamed completion came, ms since the request. */
export interface StreamTimes {
  /** Of the request, on the clock of `performance.now`. */
  startedAt: number;
  firstMs: number;
  lastMs: number;
  /** Between chunks with text. */
  gapsMs: number[];
  tokens: number;
  promptTokens: number | null;
  countedBy: 'usage' | 'chunks';
}

interface Chunk {
  choices?: { text?: string; delta?: { content?: string }; finish_reason?: string | null }[];
  usage?: { completion_tokens?: number; prompt_tokens?: number } | null;
  error?: { message?: string };
}

/**
 * Reads a stream of events to its end and takes the times of its chunks.
 *
 * @throws Error when the stream brings an error, or no token at all
 */
export async function readStream(response: Response, startedAt: number): Promise<StreamTimes> {
  if (response.body === null) throw new Error('it answered without a body');
  const arrivals: number[] = [];
  let usage: Chunk['usage'];
  const events = response.body
    .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    if (data === '[DONE]') break;
    const chunk = parseChunk(data);
    if (chunk.error) throw new Error(`it broke off: ${chunk.error.message ?? 'no reason given'}`);
    usage = chunk.usage ?? usage;
    const [choice] = chunk.choices ?? [];
    // Tokens that are part of a character come as empty texts; the last chunk only says the end.
    if (choice !== undefined && (choice.text ?? choice.delta?.content ?? '') !== '') {
      arrivals.push(performance.now() - startedAt);
    }
  }
  const [firstMs, lastMs] = [arrivals[0], arrivals.at(-1)];
  if (firstMs === undefined || lastMs === undefined) throw new Error('it sent no token');
  const told = usage?.completion_tokens;
  return {
    startedAt,
    firstMs,
    lastMs,
    gapsMs: arrivals.slice(1).map((at, i) => at - (arrivals[i] as number)),
    tokens: told ?? arrivals.length,
    promptTokens: usage?.prompt_tokens ?? null,
    countedBy: told === undefined ? 'chunks' : 'usage',
  };
}

function parseChunk(data: string): Chunk {
  try {
    return JSON.parse(data) as Chunk;
  } catch {
    throw new Error(`it sent an event that is no JSON: ${data.slice(0, 100)}`);
  }
}
