import { formatBytes, inspectModel } from '@thermocline/runtime';
import { bar } from '../bars.js';
import { formatCount, formatShare } from '../format.js';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';
import { describeShape, heading, type Report, type ReportOptions, shorten } from './report.js';

// Tensor names of GGUF files; Hugging Face names are mapped to the same when a folder is read.
const ROLES: [string, RegExp][] = [
  ['FFN', /\.ffn_(gate|up|down)/],
  ['attention', /\.attn_(q|k|v|qkv|output)\./],
  ['embedding', /^(token_embd|position_embd)/],
  ['head', /^output\./],
];

interface Tensor {
  name: string;
  type: string;
  shape: readonly number[];
  bytes: number;
}

type Inspection = Awaited<ReturnType<typeof inspectModel>>;
type Vocabulary = NonNullable<Inspection['vocabulary']>;

/** A model file: what it says of itself, its tensors, and where its bytes are. */
export async function inspectModelFile(path: string, options: ReportOptions): Promise<Report> {
  const inspection = await inspectModel(path);
  const { container, fingerprint, metadata, tensors, model, vocabulary } = inspection;
  const entries = metadata.map(({ key, type, summary }) => [
    oneLine(key),
    type,
    oneLine(summary, 80),
  ]);
  const rows = tensors.map(({ name, type, shape, bytes }) => [
    oneLine(name),
    type,
    shape.join(' × '),
    formatBytes(bytes),
  ]);
  const roles = bytesByRole(tensors);
  return {
    json: {
      container,
      files: inspection.paths,
      fingerprint,
      model: model && {
        ...inspection.info,
        name: model.name,
        context_source: model.contextSource,
        activation_source: model.activationSource,
      },
      model_problem: inspection.modelProblem,
      vocabulary: vocabulary && {
        kind: vocabulary.kind,
        pre_tokenizer: vocabulary.preTokenizer,
        tokens: vocabulary.tokens,
        bos: vocabulary.bos,
        eos: vocabulary.eos,
      },
      vocabulary_problem: inspection.vocabularyProblem,
      parameters: parameters(tensors),
      bytes_by_role: roles,
      metadata,
      tensors,
    },
    lines: [
      heading(`model (${container})`),
      `  ${inspection.info ? describeShape(inspection.info) : colors.yellow(`does not run here: ${oneLine(inspection.modelProblem ?? '', 120)}`)}`,
      `  ${vocabularyLine(vocabulary, inspection.vocabularyProblem)}`,
      `  ${formatCount(parameters(tensors))} parameters in ${tensors.length} tensors`,
      ...roleLines(roles),
      '',
      ...shorten(entries, options, (shown) =>
        table(shown, { head: ['metadata', 'type', 'value'] }),
      ),
      '',
      ...(tensors.length > 0
        ? shorten(rows, options, (shown) =>
            table(shown, { head: ['tensor', 'type', 'shape', 'size'], right: [3] }),
          )
        : [colors.dim('  no tensors: a vocabulary only')]),
    ],
  };
}

function vocabularyLine(vocabulary: Vocabulary | null, problem: string | null): string {
  if (problem !== null) return colors.yellow(`tokenizer: ${oneLine(problem, 120)}`);
  if (vocabulary === null) return 'no vocabulary';
  const { kind, preTokenizer, tokens } = vocabulary;
  return `tokenizer: ${kind}${preTokenizer ? ` (${oneLine(preTokenizer)})` : ''}, ${formatCount(tokens)} tokens`;
}

function parameters(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0);
}

function bytesByRole(tensors: readonly Tensor[]): Record<string, number> {
  const roles: Record<string, number> = {};
  for (const { name, bytes } of tensors) {
    const role = ROLES.find(([, pattern]) => pattern.test(name))?.[0] ?? 'other';
    roles[role] = (roles[role] ?? 0) + bytes;
  }
  return roles;
}

function roleLines(roles: Record<string, number>): string[] {
  const total = Object.values(roles).reduce((sum, bytes) => sum + bytes, 0);
  return Object.entries(roles)
    .sort(([, a], [, b]) => b - a)
    .map(([role, bytes]) => {
      const share = bytes / total;
      const size = formatBytes(bytes).padStart(10);
      return `  ${role.padEnd(10)} ${colors.cyan(bar(share, 40))} ${size}  ${formatShare(share)}`;
    });
}
