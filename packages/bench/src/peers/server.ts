import { PipelineError } from '@thermocline/contracts';
import type { Contender } from '../contender.js';
import { percentiles } from '../percentiles.js';
import { measureQuietly } from '../process/run-fresh.js';
import { emptyMeasurement } from '../workers/empty-measurement.js';
import type { Measurement, Workload } from '../workload.js';
import { readStream, type StreamTimes } from './read-stream.js';
import { seededWords } from './seeded-words.js';

export interface ServerOptions {
  /** As the server calls the model; default: the first that it lists. */
  model?: string;
  /** Sent as a bearer token. */
  key?: string;
}

/**
 * A server that speaks OpenAI's protocol: its base address, such as `http://localhost:8080/v1`.
 * Completions are streamed; tokens are counted by the usage that the server tells, otherwise by
 * chunks. It runs with threads and settings of its own.
 *
 * @throws PipelineError `INVALID_ARGUMENT` for an address that is none
 *
 * @example
 * const peer = serverPeer('http://localhost:8080/v1');
 */
export function serverPeer(address: string, options: ServerOptions = {}): Contender {
  const url = parseAddress(address);
  let calls = 0;
  return {
    name: url.host,
    takes: new Set(['batch', 'context']),
    local: false,
    measure(work, fresh) {
      return measureQuietly(async () => {
        const limit =
          fresh.timeLimitMs === undefined ? [] : [AbortSignal.timeout(fresh.timeLimitMs)];
        const signal = AbortSignal.any([...limit, ...(fresh.signal ? [fresh.signal] : [])]);
        const server = { url, ...options, signal };
        // A prompt that was sent before would be answered from the server's cache.
        calls += 1;
        return { answer: await measureServer(server, work, work.seed + 1000 * calls) };
      }, fresh);
    },
  };
}

interface Server extends ServerOptions {
  url: URL;
  signal: AbortSignal;
}

async function measureServer(server: Server, work: Workload, seed: number): Promise<Measurement> {
  const model = server.model ?? (await firstModel(server));
  const measurement = emptyMeasurement(`${model}, served`);
  let counted: StreamTimes['countedBy'] = 'usage';
  if (work.promptTokens > 0) {
    const times = await complete(server, model, seededWords(work.promptTokens, seed), 1);
    measurement.firstTokenMs = [times.firstMs];
    const read = times.promptTokens;
    if (read !== null) measurement.prefillTokensPerSecond = [(1000 * read) / times.firstMs];
  }
  if (work.generate > 0) {
    const prompts = Array.from({ length: work.batch }, (_, row) =>
      seededWords(Math.max(1, work.context), seed + row + 1),
    );
    const streams = await Promise.all(
      prompts.map((prompt) => complete(server, model, prompt, work.generate + 1)),
    );
    counted = streams.every(({ countedBy }) => countedBy === 'usage') ? 'usage' : 'chunks';
    measurement.decodeTokensPerSecond = [togetherPerSecond(streams)];
    measurement.stepMs = percentiles(streams.flatMap(({ gapsMs }) => gapsMs));
  }
  measurement.about = `${model}, tokens counted by ${counted}`;
  return measurement;
}

/** Tokens after the first of each stream, over the time from the first of all to the last. */
function togetherPerSecond(streams: readonly StreamTimes[]): number {
  const tokens = streams.reduce((sum, { tokens: one }) => sum + one - 1, 0);
  const start = Math.min(...streams.map(({ startedAt, firstMs }) => startedAt + firstMs));
  const end = Math.max(...streams.map(({ startedAt, lastMs }) => startedAt + lastMs));
  if (tokens < 1 || end <= start) {
    throw new Error('it answered with fewer than two tokens, whose speed cannot be told');
  }
  return (1000 * tokens) / (end - start);
}

async function firstModel(server: Server): Promise<string> {
  const response = await fetch(endpoint(server, 'models'), {
    headers: headers(server),
    signal: server.signal,
  });
  if (!response.ok)
    throw new Error(`it lists no models (${response.status}); name one: --peer-model`);
  const { data } = (await response.json()) as { data?: { id?: unknown }[] };
  const id = data?.[0]?.id;
  if (typeof id !== 'string') throw new Error('it lists no models; name one: --peer-model');
  return id;
}

/** By text completion, or as a chat of one turn where the server has no other. */
async function complete(
  server: Server,
  model: string,
  prompt: string,
  tokens: number,
): Promise<StreamTimes> {
  const request = { model, max_tokens: tokens, temperature: 0, stream: true };
  const stream = await ask(server, 'completions', { ...request, prompt });
  if (stream !== null) return stream;
  const messages = [{ role: 'user', content: prompt }];
  const chat = await ask(server, 'chat/completions', { ...request, messages });
  if (chat !== null) return chat;
  throw new Error('it knows neither /completions nor /chat/completions; is this its base address?');
}

/** @returns null where there is no such endpoint */
async function ask(server: Server, path: string, request: object): Promise<StreamTimes | null> {
  const usage = { stream_options: { include_usage: true } };
  // What most engines know and OpenAI's own refuses: to go on past the end of text.
  const attempts = [{ ...usage, ignore_eos: true }, usage, {}];
  for (const [index, extra] of attempts.entries()) {
    const startedAt = performance.now();
    const response = await fetch(endpoint(server, path), {
      method: 'POST',
      headers: { ...headers(server), 'content-type': 'application/json' },
      body: JSON.stringify({ ...request, ...extra }),
      signal: server.signal,
    });
    if (response.ok) return readStream(response, startedAt);
    if (response.status === 404 || response.status === 405) return null;
    const said = (await response.text()).slice(0, 300);
    const refused = response.status === 400 || response.status === 422;
    if (!refused || index === attempts.length - 1) {
      throw new Error(`it answered ${response.status} to a completion: ${said}`);
    }
  }
  throw new Error('it refused every request');
}

function endpoint({ url }: Server, name: string): string {
  return `${url.href.replace(/\/+$/, '')}/${name}`;
}

function headers({ key }: Server): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  const reason = `"${address}" is no address of a server, such as http://localhost:8080/v1`;
  throw new PipelineError('INVALID_ARGUMENT', `--peer-url: ${reason}.`, {
    argument: 'peer-url',
    reason,
  });
}
