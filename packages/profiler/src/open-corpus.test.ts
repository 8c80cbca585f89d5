import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CorpusInput } from './corpora/corpus-input.js';
import { parseCorpusInput } from './corpora/corpus-input.js';
import type { Corpus, CorpusDocument } from './corpus.js';
import { type OpenCorpusOptions, openCorpus } from './open-corpus.js';

const root = mkdtempSync(join(tmpdir(), 'thermocline-open-corpus-'));
let folder = root;
let folders = 0;
beforeEach(() => {
  folder = join(root, String(folders++));
  mkdirSync(folder);
});
afterAll(() => rmSync(root, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

function npy(ids: Uint16Array): Buffer {
  const header = `{'descr': '<u2', 'fortran_order': False, 'shape': (${ids.length},), }`;
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  return Buffer.concat([magic, Buffer.from(`${header.padEnd(117)}\n`), Buffer.from(ids.buffer)]);
}

function open(inputs: (string | CorpusInput)[], options: OpenCorpusOptions = {}): Promise<Corpus> {
  return openCorpus(inputs, { cwd: folder, ...options });
}

async function documentsOf(corpus: Corpus, domain = 0): Promise<CorpusDocument[]> {
  const documents: CorpusDocument[] = [];
  for await (const document of corpus.documents(domain)) documents.push(document);
  return documents;
}

/** In the order of their numbers. */
async function contents(corpus: Corpus, domain = 0): Promise<(string | Int32Array)[]> {
  const documents = await documentsOf(corpus, domain);
  return documents.sort((a, b) => a.document - b.document).map(({ content }) => content);
}

async function read(...inputs: (string | CorpusInput)[]): Promise<(string | Int32Array)[]> {
  await using corpus = await open(inputs);
  return await contents(corpus);
}

const texts = (count: number) => Array.from({ length: count }, (_, i) => `Document ${i}.`);
const joined = (documents: string[]) => documents.join('\n<|endoftext|>\n');

describe('openCorpus', () => {
  it('reads texts, JSON lines and token ids', async () => {
    write('a.txt', joined(['One.', 'Two.']));
    write('b.jsonl', '{"text": "Three\\nlines.", "id": 1}\r\n\n{"text": " "}\n{"text": "Four."}');
    write('c.npy', npy(Uint16Array.of(5, 6, 60_000)));
    const found = await read('a.txt', 'b.jsonl', 'c.npy');
    expect(found).toEqual(['One.', 'Two.', 'Three\nlines.', 'Four.', Int32Array.of(5, 6, 60_000)]);
  });

  it('tells the sources, their hashes and domains', async () => {
    const text = write('a.txt', 'One.');
    write('more/b.txt', 'Two.');
    await using corpus = await open([
      { path: text, domain: 'x' },
      { path: 'more', domain: 'y' },
    ]);
    const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');
    expect(corpus.domains).toEqual(['x', 'y']);
    expect(corpus.sources).toEqual([
      { name: 'a.txt', sha256: sha256('One.'), domain: 0 },
      { name: 'more/b.txt', sha256: sha256('Two.'), domain: 1 },
    ]);
    expect(await documentsOf(corpus, 0)).toEqual([{ document: 0, source: 0, content: 'One.' }]);
    expect(await documentsOf(corpus, 1)).toEqual([{ document: 1, source: 1, content: 'Two.' }]);
  });

  it('orders documents by the seed, and numbers them without it', async () => {
    write('a.txt', joined(texts(50)));
    write('b.txt', joined(texts(30)));
    const run = async (seed: number, ...paths: string[]) => {
      await using corpus = await open(paths, { seed });
      return await documentsOf(corpus);
    };
    const first = await run(1, 'a.txt', 'b.txt');
    expect(await run(1, 'a.txt', 'b.txt')).toEqual(first);
    const other = await run(2, 'a.txt', 'b.txt');
    expect(other.map(({ document }) => document)).not.toEqual(
      first.map(({ document }) => document),
    );
    const byNumber = (a: CorpusDocument, b: CorpusDocument) => a.document - b.document;
    expect([...other].sort(byNumber)).toEqual([...first].sort(byNumber));
    // Files are mixed, and another file does not change the order within one.
    expect(new Set(first.slice(0, 20).map(({ source }) => source))).toEqual(new Set([0, 1]));
    const alone = (await run(1, 'a.txt')).map(({ content }) => content);
    expect(first.filter(({ source }) => source === 0).map(({ content }) => content)).toEqual(alone);
  });

  it('samples evenly: the first tenth comes from everywhere', async () => {
    write('a.txt', joined(texts(5000)));
    await using corpus = await open(['a.txt'], { seed: 7 });
    const numbers = (await documentsOf(corpus)).slice(0, 500).map(({ document }) => document);
    const mean = numbers.reduce((sum, number) => sum + number, 0) / 500;
    // 2,500 ± 4 standard errors
    expect(Math.abs(mean - 2500)).toBeLessThan((4 * 5000) / Math.sqrt(12 * 500));
  });

  it('reads folders in the order of paths, without hidden and other files', async () => {
    write('data/b.txt', 'b');
    write('data/a/z.md', 'z');
    write('data/a/deep/y.TXT', 'y');
    write('data/c.ndjson', '{"text": "c"}');
    write('data/picture.png', 'no');
    write('data/.hidden.txt', 'no');
    write('data/.git/x.txt', 'no');
    expect(await read('data')).toEqual(['y', 'z', 'b', 'c']);
  });

  it('is not caught by links that lead in circles', async () => {
    write('data/a.txt', 'a');
    symlinkSync(join(folder, 'data'), join(folder, 'data', 'again'));
    // Found once, or refused because it would count twice; but it comes to an end.
    const found = await read('data').catch((error: unknown) => error);
    if (Array.isArray(found)) expect(found).toEqual(['a']);
    else expect(found).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('understands globs, whatever the files are called', async () => {
    write('logs/1.log', 'one');
    write('logs/2.log', 'two');
    write('logs/[3].log', 'three');
    expect(await read('logs/*.log')).toEqual(['one', 'two', 'three']);
    expect(await read(join(folder, 'logs', '?.log'))).toEqual(['one', 'two']);
    expect(await read('logs/[3].log')).toEqual(['three']);
    await using corpus = await open([join(folder, 'logs', '?.log')]);
    expect(corpus.sources.map(({ name }) => name)).not.toContain(expect.stringContaining(folder));
  });

  it('keeps the bytes of a text: line ends, byte order mark, broken UTF-8', async () => {
    write('bom.txt', '\uFEFFOne.\r\nMore.\r\n<|endoftext|>\r\nTwo.\r\n');
    write('broken.txt', Buffer.from([0x61, 0xff, 0xc3, 0x0a, 0x62]));
    write('bom.jsonl', '\uFEFF{"text": "Three."}\r\n');
    expect(await read('bom.txt', 'broken.txt', 'bom.jsonl')).toEqual([
      'One.\r\nMore.',
      'Two.\r\n',
      'a\uFFFD\uFFFD\nb',
      'Three.',
    ]);
  });

  it('cuts long texts at line breaks, else between characters', async () => {
    const line = 'é'.repeat(400_000);
    const lines = `${line}\n${line}\n${line}`;
    const text = '漢'.repeat(800_000);
    write('lines.txt', lines);
    write('one.txt', text);
    write('long.jsonl', JSON.stringify({ text }));
    await using corpus = await open(['lines.txt', 'one.txt', 'long.jsonl']);
    const documents = (await contents(corpus)) as string[];
    expect(documents.slice(0, 3)).toEqual([`${line}\n`, `${line}\n`, line]);
    expect(documents.slice(3, 6).join('')).toBe(text);
    expect(documents.slice(6)).toEqual(documents.slice(3, 6));
    for (const document of documents) {
      expect(Buffer.byteLength(document)).toBeLessThanOrEqual(1 << 20);
      expect(document).not.toContain('\uFFFD');
    }
  });

  it('reads a long line once for all its pieces', async () => {
    const long = (letter: string) => JSON.stringify({ text: letter.repeat(12 << 20) });
    write('long.jsonl', `${long('a')}\n{"text": "short"}\n${long('b')}\n`);
    await using corpus = await open(['long.jsonl'], { seed: 3 });
    const parse = vi.spyOn(JSON, 'parse');
    const documents = await documentsOf(corpus);
    expect(parse).toHaveBeenCalledTimes(3);
    parse.mockRestore();
    expect(documents).toHaveLength(25);
    // Those of one line one after the other.
    const letters = documents.map(({ content }) => (content as string)[0]).join('');
    expect(letters.replaceAll(/(.)\1*/g, '$1')).toHaveLength(3);
    const numbers = documents.map(({ document }) => document).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 25 }, (_, i) => i));
  });

  it('takes a long array of ids for several documents', async () => {
    write('ids.npy', npy(new Uint16Array((1 << 20) + 3).fill(9)));
    const found = (await read('ids.npy')) as Int32Array[];
    expect(found.map((ids) => ids.length)).toEqual([1 << 20, 3]);
  });

  it('reads standard input from a copy, and removes that', async () => {
    const copies = () => readdirSync(tmpdir()).filter((name) => /^thermocline-corpus-/.test(name));
    const before = copies();
    const stdin = Readable.from([Buffer.from('One.\n<|endoft'), Buffer.from('ext|>\nTwo.')]);
    const corpus = await open([{ path: '-', domain: 'piped' }], { stdin });
    expect(copies()).toHaveLength(before.length + 1);
    expect(corpus.sources[0]?.name).toBe('stdin');
    expect(await contents(corpus)).toEqual(['One.', 'Two.']);
    expect(await contents(corpus)).toEqual(['One.', 'Two.']);
    await corpus.close();
    expect(copies()).toEqual(before);
    await expect(documentsOf(corpus)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('knows ids and, with a field named, JSON lines in standard input', async () => {
    const ids = npy(Uint16Array.of(1, 2));
    await using a = await open(['-'], {
      stdin: Readable.from([ids.subarray(0, 3), ids.subarray(3)]),
    });
    expect(await contents(a)).toEqual([Int32Array.of(1, 2)]);
    const stdin = Readable.from([Buffer.from('{"body": "One."}\n')]);
    await using b = await open(['-'], { stdin, textKey: 'body' });
    expect(await contents(b)).toEqual(['One.']);
    expect(b.settings).toMatchObject({ text_key: 'body', formats: ['jsonl'] });
  });

  it('leaves no copy behind when it fails', async () => {
    const copies = () => readdirSync(tmpdir()).filter((name) => /^thermocline-corpus-/.test(name));
    const before = copies();
    const stdin = Readable.from([Buffer.from('  \n')]);
    await expect(open(['-'], { stdin })).rejects.toThrow(/empty.*stdin/);
    expect(copies()).toEqual(before);
  });

  it('answers standard input that fails before it is read', async () => {
    write('a.txt', 'One.');
    for (const inputs of [['-'], ['a.txt', '-']]) {
      const stdin = new Readable({ read: () => undefined });
      const opening = open(inputs, { stdin });
      stdin.destroy(new Error('the cable was pulled'));
      await expect(opening).rejects.toMatchObject({ code: 'IO_ERROR' });
      await expect(opening).rejects.toThrow('stdin: the cable was pulled');
    }
  });

  it('says so when there is no temporary folder for a copy', async () => {
    vi.stubEnv('TMPDIR', join(folder, 'none'));
    try {
      const opening = open(['-'], { stdin: Readable.from([Buffer.from('One.')]) });
      await expect(opening).rejects.toMatchObject({
        code: 'IO_ERROR',
        details: { path: join(folder, 'none') },
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.skipIf(process.platform === 'win32')('reads a named pipe', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('/usr/bin/env', ['mkfifo', pipe]);
    const opened = open(['pipe']);
    // Asynchronously: it waits for the reader.
    await writeFile(pipe, 'One.');
    await using corpus = await opened;
    expect(await contents(corpus)).toEqual(['One.']);
  });

  it.each([
    ['a zero byte', 'a.txt', 'ab\n\0', { place: 'byte 3' }, /looks binary/],
    ['no JSON', 'a.jsonl', '{"text": "x"}\nhello\n', { place: 'line 2' }, /no JSON\./],
    ['a list', 'a.jsonl', '["text"]', { place: 'line 1' }, /no JSON object/],
    [
      'another field',
      'a.jsonl',
      '{"body": "x"}',
      { place: 'line 1' },
      /"text".*"body".*--text-key/,
    ],
    ['a number', 'a.jsonl', '{"text": 5}', { place: 'line 1' }, /with a string/],
    ['no array', 'a.npy', 'GGUF', {}, /numpy\.save/],
    ['no text', 'a.txt', '\uFEFF \n<|endoftext|>\n\u00a0', {}, /empty/],
    ['nothing', 'a.jsonl', '', {}, /empty/],
  ])('refuses %s and says where', async (_, name, content, details, message) => {
    const path = write(name, content);
    await expect(open([name])).rejects.toThrow(message);
    await expect(open([name])).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      details: { path, ...details },
    });
  });

  it('refuses ids below zero by their place', async () => {
    const content = npy(Uint16Array.of(1, 0xffff));
    content[content.indexOf('<u2') + 1] = 'i'.charCodeAt(0);
    write('a.npy', content);
    await expect(open(['a.npy'])).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      details: { place: 'element 1' },
    });
    write('b.npy', content.subarray(0, content.length - 1));
    await expect(open(['b.npy'])).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
  });

  it('refuses what it cannot find, what counts twice, and half-named domains', async () => {
    write('a.txt', 'a');
    write('b.txt', 'b');
    mkdirSync(join(folder, 'bare'));
    const refused = async (inputs: (string | CorpusInput)[], code: string, message: RegExp) => {
      await expect(open(inputs)).rejects.toMatchObject({ code });
      await expect(open(inputs)).rejects.toThrow(message);
    };
    await refused(['none.txt'], 'FILE_NOT_FOUND', /none\.txt/);
    await refused(['*.none'], 'CORPUS_INVALID', /\*\.none/);
    await refused(['bare'], 'CORPUS_INVALID', /bare.*\.jsonl/);
    await refused(['a.txt', '*.txt'], 'INVALID_ARGUMENT', /a\.txt would be read twice/);
    await refused([{ path: 'a.txt', domain: 'x' }, 'b.txt'], 'INVALID_ARGUMENT', /NAME=PATH/);
    await refused([], 'INVALID_ARGUMENT', /nothing/);
    await refused(['/dev/null'], 'CORPUS_INVALID', /no file/);
    await expect(open(['a.txt'], { seed: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('names the domain that is empty', async () => {
    write('a.txt', 'a');
    write('b.txt', '\n');
    const inputs = [
      { path: 'a.txt', domain: 'x' },
      { path: 'b.txt', domain: 'y' },
    ];
    await expect(open(inputs)).rejects.toThrow(/domain "y" is empty.*b\.txt/);
  });

  it('refuses a file that changed since', async () => {
    const path = write('a.txt', joined(texts(10)));
    await using corpus = await open(['a.txt']);
    appendFileSync(path, 'more');
    await expect(documentsOf(corpus)).rejects.toMatchObject({
      code: 'IO_ERROR',
      details: { path },
    });
  });

  it('refuses a file of the same size that is newer, also while reading', async () => {
    const path = write('a.txt', joined(texts(10)));
    await using corpus = await open(['a.txt']);
    const documents = corpus.documents(0)[Symbol.asyncIterator]();
    await documents.next();
    utimesSync(path, 1, 1);
    await expect(documents.next()).rejects.toMatchObject({ code: 'IO_ERROR' });
    rmSync(path);
    await expect(documentsOf(corpus)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('ends when asked to', async () => {
    write('a.txt', joined(texts(10)));
    await expect(open(['a.txt'], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    const stop = new AbortController();
    await using corpus = await open(['a.txt'], { signal: stop.signal });
    const documents = corpus.documents(0)[Symbol.asyncIterator]();
    await documents.next();
    stop.abort();
    await expect(documents.next()).rejects.toMatchObject({ code: 'ABORTED' });
    const stdin = new Readable({ read: () => undefined });
    const waiting = new AbortController();
    const opening = open(['-'], { stdin, signal: waiting.signal });
    setTimeout(() => waiting.abort(), 10);
    await expect(opening).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('tells how far it is', async () => {
    write('a.txt', 'x'.repeat(1 << 20));
    write('b.txt', 'x'.repeat(100));
    const calls: [number, number][] = [];
    await using _ = await open(['a.txt', 'b.txt'], {
      onProgress: (done, total) => calls.push([done, total]),
    });
    const total = (1 << 20) + 100;
    expect(calls).toEqual([
      [1 << 20, total],
      [total, total],
    ]);
  });

  it('reads from more files than it keeps open', async () => {
    for (let i = 0; i < 70; i++) write(`many/${i}.txt`, joined([`a${i}`, `b${i}`]));
    const found = await read('many');
    expect(found).toHaveLength(140);
    expect(new Set(found).size).toBe(140);
  });
});

describe('parseCorpusInput', () => {
  it('knows names of domains', () => {
    expect(parseCorpusInput('stories=train.txt')).toEqual({ path: 'train.txt', domain: 'stories' });
    expect(parseCorpusInput('v1.0-x_y=-')).toEqual({ path: '-', domain: 'v1.0-x_y' });
    for (const path of ['train.txt', 'my text=a.txt', '=a.txt', 'a=', '-', 'dir/x=y.txt']) {
      expect(parseCorpusInput(path)).toEqual({ path });
    }
  });

  it('prefers a file of that very name', () => {
    write('a=b.txt', 'x');
    expect(existsSync(join(folder, 'a=b.txt'))).toBe(true);
    expect(parseCorpusInput('a=b.txt', folder)).toEqual({ path: 'a=b.txt' });
  });
});
