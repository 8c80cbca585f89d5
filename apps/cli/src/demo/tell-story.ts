import type { Mode, Tier } from '@thermocline/contracts';
import {
  formatBytes,
  type GenerationSummary,
  type Model,
  type ModelResult,
  summarizeGeneration,
} from '@thermocline/runtime';
import { layerBars } from '../bars.js';
import { closingLine } from '../closing-line.js';
import { EXIT } from '../exit-codes.js';
import { formatShare } from '../format.js';
import { colors, print, printable } from '../terminal.js';

const PROMPT = 'Once upon a time, there was a little';
const SAMPLING = { maxTokens: 200, temperature: 0.6, seed: 10 };

/** Lets the model write, and shows its speed and what did not have to be computed. */
export async function tellStory(model: Model): Promise<void> {
  process.stdout.write(`\n${colors.bold(PROMPT)}`);
  const story = await tell(model, 'exact', (text) => process.stdout.write(printable(text)));
  print('\n');
  print(colors.bold('Share of FFN neurons that fired while it wrote'));
  const { n_ff } = model.info.model;
  for (const line of layerBars(story.summary.layerActiveRatios, n_ff, colors.cyan)) print(line);
  print(`  all layers: ${formatShare(story.summary.ffnActiveRatio)}`);
  print();

  const dense = await tell(model, 'dense');
  compare(story, dense);
  print();
  print(closingLine(model.info, story.result, story.summary));
  if (!agree(story, dense)) {
    print(colors.red('The modes wrote different tokens. That is a bug; please report it.'));
    process.exitCode = EXIT.failed;
  }
}

interface Told {
  result: ModelResult;
  summary: GenerationSummary;
}

async function tell(model: Model, mode: Mode, show?: (text: string) => void): Promise<Told> {
  const generation = model.generate(PROMPT, { ...SAMPLING, mode });
  if (show !== undefined) for await (const { text } of generation) show(text);
  const result = await generation.result;
  return { result, summary: summarizeGeneration(result) };
}

function compare(exact: Told, dense: Told): void {
  print(colors.bold('Computing only what fires, against computing everything'));
  print(`  ${'mode'.padEnd(8)}${'FFN read per token'.padStart(20)}`);
  for (const [mode, { summary }] of Object.entries({ exact, dense })) {
    print(`  ${mode.padEnd(8)}${formatBytes(ffnBytes(summary)).padStart(20)}`);
  }
  const share = formatShare(ffnBytes(exact.summary) / ffnBytes(dense.summary));
  print(
    `  ${agree(exact, dense) ? 'The same tokens' : 'Different tokens'}, with ${share} of the bytes.`,
  );
}

function ffnBytes({ ffnBytesPerToken }: GenerationSummary): number {
  return (['gpu', 'cpu', 'flash'] as Tier[]).reduce(
    (sum, tier) => sum + (ffnBytesPerToken[tier] ?? 0),
    0,
  );
}

function agree(exact: Told, dense: Told): boolean {
  return exact.result.tokens.join() === dense.result.tokens.join();
}
