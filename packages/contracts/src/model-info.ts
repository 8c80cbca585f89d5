import * as z from 'zod';
import { PipelineError } from './errors.js';

const count = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const name = z.string().min(1).max(256);

/** The shape of a `ModelInfo`, for whoever parses one as part of something larger. */
export const modelInfoSchema = z
  .object({
    /** Family, as GGUF's `general.architecture` names it: `llama`, `opt`, … */
    arch: name,
    layers: count,
    /** Width of the hidden state. */
    d_model: count,
    /** Neurons per layer, those of all experts together. [layers] */
    n_ff: z.array(count),
    /** Experts per layer; 1 for a plain FFN. Neuron ids are expert-major. */
    experts: count,
    heads: count,
    kv_heads: count,
    head_dim: count,
    vocab: count,
    /** The output head is the embedding table. */
    tied: z.boolean(),
    /** FFN with a gate: h = act(gate)·up; without: h = act(up). */
    gated: z.boolean(),
    /** `relu`, `silu`, `gelu`, … */
    activation: name,
    /** Longest context the model was made for, tokens. */
    context: count,
    /** Weight type per role, such as `{"ffn_up": "Q4_0", "head": "F16"}`. */
    weight_types: z.record(name, name),
    /** The weights are random, made for benchmarks: what it says is noise. Absent: they are not. */
    synthetic: z.literal(true).exactOptional(),
  })
  .refine((model) => model.n_ff.length === model.layers, {
    path: ['n_ff'],
    message: 'must have one entry per layer',
  })
  .refine((model) => model.n_ff.every((neurons) => neurons % model.experts === 0), {
    path: ['n_ff'],
    message: 'must be a multiple of the number of experts in every layer',
  })
  .refine((model) => model.heads % model.kv_heads === 0, {
    path: ['kv_heads'],
    message: 'must divide the number of heads',
  });

/**
 * What a stage must know of a model when the model file itself is not at hand. The keys are
 * spelled as in the `model` metadata of the artifacts, so that there is only one spelling.
 */
export type ModelInfo = z.infer<typeof modelInfoSchema>;

/**
 * Reads a `ModelInfo` from parsed JSON, dropping keys it does not know.
 *
 * @throws PipelineError `INVALID_ARGUMENT` naming the first field that is wrong
 *
 * @example
 * const model = parseModelInfo(JSON.parse(text));
 */
export function parseModelInfo(json: unknown): ModelInfo {
  const result = modelInfoSchema.safeParse(json);
  if (result.success) return result.data;
  const reason = describeIssue(result.error);
  throw new PipelineError('INVALID_ARGUMENT', `Not a model description: ${reason}`, {
    argument: 'model',
    reason,
  });
}

const EXACT_ZEROS = new Set(['relu', 'relu2', 'drelu']);

/**
 * Whether the neurons of a model that do not fire are exactly zero: the ReLU family. Those of
 * others are only small, and a threshold has to say which of them count.
 *
 * @example
 * const mode = hasExactZeros(model) ? 'exact' : 'dense';
 */
export function hasExactZeros({ activation }: Pick<ModelInfo, 'activation'>): boolean {
  return EXACT_ZEROS.has(activation);
}

/** The first thing a schema found wrong, as `place: what`. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'not valid';
  const place = issue.path.map(String).join('.');
  return place === '' ? issue.message : `${place}: ${issue.message}`;
}
