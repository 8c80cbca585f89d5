import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import type { Workload } from '../workload.js';
import { type ServerOptions, serverPeer } from './server.js';

const work: Workload = {
  model: 'not used',
  vocabulary: { size: 100, bos: 1 },
  mode: 'dense',
  threads: null,
  batch: 1,
  context: 0,
  promptTokens: 50,
  generate: 8,
  decode: 'forced',
  kvType: 'f16',
  seed: 0,
  leastMs: 0,
};
const alone = { idleWaitMs: 0 };
const TOKEN_MS = 15;

interface Completion {
  model: string;
  prompt: string;
  max_tokens: number;
  stream: boolean;
  ignore_eos?: boolean;
  stream_options?: object;
}
let server: Server | undefined;
afterEach(() => server?.close());

/** A small server that streams tokens at a known pace. */
async function start(
  answer: (
    request: Completion,
    response: ServerResponse,
    headers: IncomingMessage['headers'],
  ) => unknown,
  paths = ['/v1/completions'],
) {
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/v1/models') {
      response.end(JSON.stringify({ data: [{ id: 'tiny' }] }));
      return;
    }
    if (!paths.includes(request.url ?? '')) {
      response.writeHead(404).end();
      return;
    }
    let body = '';
    for await (const chunk of request) body += String(chunk);
    await answer(JSON.parse(body) as Completion, response, request.headers);
  };
  server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

async function stream(request: Completion, response: ServerResponse, usage: boolean) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (value: unknown) => response.write(`data: ${JSON.stringify(value)}\n\n`);
  for (let i = 0; i < request.max_tokens; i++) {
    await sleep(TOKEN_MS);
    send({ choices: [{ text: ' word', finish_reason: null }] });
  }
  send({ choices: [{ text: '', finish_reason: 'length' }] });
  const told = { completion_tokens: request.max_tokens, prompt_tokens: 61 };
  if (usage) send({ choices: [], usage: told });
  response.end('data: [DONE]\n\n');
}

function measure(address: string, options: ServerOptions = {}, changes: Partial<Workload> = {}) {
  return serverPeer(address, options).measure({ ...work, ...changes }, alone);
}

it('times streamed tokens, counted by usage', async () => {
  const requests: Completion[] = [];
  const address = await start(async (request, response) => {
    requests.push(request);
    await stream(request, response, true);
  });
  const { answer, otherLoad } = await measure(address);
  expect(otherLoad).toBeNull();
  expect(answer.about).toBe('tiny, tokens counted by usage');
  expect(answer.firstTokenMs[0]).toBeGreaterThanOrEqual(TOKEN_MS - 2);
  expect(answer.prefillTokensPerSecond[0]).toBeCloseTo(61_000 / (answer.firstTokenMs[0] ?? 0), 6);
  // Timers are late, never early.
  expect(answer.decodeTokensPerSecond[0]).toBeLessThan(1100 / TOKEN_MS);
  expect(answer.decodeTokensPerSecond[0]).toBeGreaterThan(100 / TOKEN_MS);
  expect(answer.stepMs?.p50).toBeGreaterThan(TOKEN_MS - 3);
  expect(requests.map(({ max_tokens }) => max_tokens)).toEqual([1, 9]);
  expect(requests.every(({ ignore_eos, stream: streams }) => ignore_eos && streams)).toBe(true);
});

it('counts chunks where the server tells no usage', async () => {
  const address = await start((request, response) => stream(request, response, false));
  const { answer } = await measure(address);
  expect(answer.about).toBe('tiny, tokens counted by chunks');
  expect(answer.prefillTokensPerSecond).toEqual([]);
  expect(answer.decodeTokensPerSecond).toHaveLength(1);
});

it('never sends a prompt twice, and sends a batch at once', async () => {
  const prompts: string[] = [];
  let [open, most] = [0, 0];
  const address = await start(async (request, response) => {
    prompts.push(request.prompt);
    most = Math.max(most, ++open);
    await stream(request, response, true);
    open -= 1;
  });
  const peer = serverPeer(address, { model: 'tiny' });
  const task = { ...work, batch: 3, context: 20 };
  const { answer } = await peer.measure(task, alone);
  await peer.measure(task, alone);
  expect(new Set(prompts).size).toBe(8);
  expect(most).toBe(3);
  expect(answer.decodeTokensPerSecond[0]).toBeGreaterThan((3 * 100) / TOKEN_MS);
});

it('does without what a server refuses, and sends the key', async () => {
  const address = await start(async (request, response, headers) => {
    if (headers.authorization !== 'Bearer secret') return response.writeHead(401).end('who?');
    if (request.ignore_eos !== undefined) return response.writeHead(400).end('unknown: ignore_eos');
    return stream(request, response, true);
  });
  const { answer } = await measure(address, { key: 'secret' });
  expect(answer.decodeTokensPerSecond).toHaveLength(1);
  await expect(measure(address)).rejects.toThrow('it answered 401 to a completion: who?');
});

it('chats with a server that does nothing else', async () => {
  const address = await start(
    (request, response) => {
      expect(request).toMatchObject({ messages: [{ role: 'user' }] });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const content of ['', ' one', ' two', ' three']) {
        const chunk = { choices: [{ delta: { content } }] };
        response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      }
      response.end('data: [DONE]\n\n');
    },
    ['/v1/chat/completions'],
  );
  const { answer } = await measure(address, {}, { generate: 0 });
  expect(answer.firstTokenMs).toHaveLength(1);
  const nothing = await start(() => undefined, []);
  await expect(measure(nothing)).rejects.toThrow(/neither \/completions nor/);
});

it('reports streams that break off, and servers that stall', async () => {
  const address = await start((_, response) =>
    response.end('data: {"error":{"message":"out of memory"}}\n\n'),
  );
  await expect(measure(address)).rejects.toThrow('it broke off: out of memory');
  server?.close();
  const stalled = await start(() => undefined);
  const late = serverPeer(stalled).measure(work, { ...alone, timeLimitMs: 300 });
  await expect(late).rejects.toMatchObject({ name: 'TimeoutError' });
  server?.closeAllConnections();
});

it('refuses what is no address', () => {
  expect(() => serverPeer('localhost')).toThrow(/no address of a server/);
  expect(() => serverPeer('file:///etc')).toThrow(/no address of a server/);
});
