import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readNpy } from './npy.js';

export const ROOT = resolve(import.meta.dirname, '..', '..');
const DEMO_PACKAGE = join(ROOT, 'packages', 'demo-model');
const DATA = process.env['THERMOCLINE_TEST_DATA'] ?? resolve(ROOT, '..', 'shared', 'data');

/** One prompt of a reference file: what an independent implementation computed for it. */
export interface ReferencePrompt {
  prompt: string;
  /** BOS included. */
  ids: number[];
  /** Of the last position, highest first. */
  top10: { id: number; token: string; logit: number }[];
  active_neurons_last_pos_per_layer: number[];
  greedy_ids: number[];
  greedy_text: string;
  greedy_min_margin: number;
  greedy_min_margin_at: number;
}

interface Reference {
  prompts: ReferencePrompt[];
  perplexity: { ctx: number; nll: number; ppl: number; tokens: number };
  tokenizer_tests?: { text: string; ids: number[]; roundtrip: boolean }[];
}

/** A model with its reference, and the Hugging Face form of it where the test data has one. */
export interface Fixture {
  name: string;
  gguf: string;
  huggingFace: string;
  reference: () => Reference;
  /** Held-out ids for the perplexity. */
  slice: string;
  relu: boolean;
}

function fixture(
  name: string,
  folder: string,
  file: string,
  data: string,
  slice?: string,
): Fixture {
  return {
    name,
    gguf: join(folder, file),
    huggingFace: join(DATA, data, 'hf'),
    reference: () => JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8')) as Reference,
    slice: slice ?? join(folder, 'valid-slice-8k.npy'),
    relu: name !== 'swiglu',
  };
}

const demoReference = join(DEMO_PACKAGE, 'reference');
const demoSlice = join(demoReference, 'valid-slice-8k.npy');

/** The embedded model: a llama with a ReLU-gated FFN. */
export const demo: Fixture = {
  ...fixture('demo', demoReference, '', 'demo-model', demoSlice),
  gguf: join(DEMO_PACKAGE, 'model', 'Llama-ReGLU-Stories-8M-f16.gguf'),
};

/** A small model in OPT style; in the repository too. */
export const opt = fixture(
  'opt',
  join(demoReference, 'opt'),
  'Llama-OPT-Stories-1M-f16.gguf',
  'demo-model/opt',
);

/** A plain SwiGLU llama; only where the test data is. */
export const swiglu = fixture(
  'swiglu',
  join(DATA, 'swiglu-model'),
  'Llama-SwiGLU-Stories-8M-f16.gguf',
  'swiglu-model',
  demoSlice,
);

/** Path of a file of the extra test data. */
export function dataPath(...parts: string[]): string {
  return join(DATA, ...parts);
}

/**
 * Whether something that a stranger's checkout lacks is missing here too; says so once.
 *
 * @example
 * test.skipIf(missing(swiglu.gguf))('loads', …);
 */
export function missing(path: string): boolean {
  if (existsSync(path)) return false;
  if (!reported.has(path)) console.warn(`skipped: ${path} is not here (extra test data)`);
  reported.add(path);
  return true;
}
const reported = new Set<string>();

/** Ids of an `.npy` file. */
export function readIds(path: string): number[] {
  return Array.from(readNpy(path).values, Number);
}
