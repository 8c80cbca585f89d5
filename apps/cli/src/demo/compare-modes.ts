import { readFile } from 'node:fs/promises';
import { type PredictorSet, TIERS } from '@thermocline/contracts';
import { demoTexts } from '@thermocline/demo-model';
import {
  evaluateModes,
  formatBytes,
  type ModeEvaluation,
  type Model,
  type ModeScore,
} from '@thermocline/runtime';
import { formatCount, formatRate, formatShare } from '../format.js';
import { startProgress } from '../progress.js';
import { table } from '../table.js';
import { colors, print } from '../terminal.js';

const TOKENS = 8192;

/** Sets the three ways of computing the model side by side on text that nothing was trained on. */
export async function compareModes(model: Model, predictors: PredictorSet): Promise<void> {
  const { dense, modes } = await evaluate(model, predictors);
  print();
  print(colors.bold('Three ways to compute the same model'));
  print(`  on ${formatCount(TOKENS)} tokens of stories that neither it nor its predictors saw:`);
  print();
  print(
    table([row(dense), ...modes.map(row)], {
      head: [
        'mode',
        'speed',
        'read per token',
        'left out',
        'value recall',
        'predicted',
        'perplexity',
      ],
      right: [1, 2, 3, 4, 5, 6],
    }),
  );
  const predicted = modes.find(({ mode }) => mode === 'predicted');
  if (predicted === undefined) return;
  const { parameters, time } = predicted.whole.predictor;
  print();
  print('  Read: FFN weights and predictors. Left out: neurons that are not computed.');
  print(
    `  The predictors have ${formatShare(parameters)} of the model's parameters and take ` +
      `${formatShare(time)} of the time of a token;`,
  );
  print(`  ${formatShare(predicted.agreement)} of the next tokens are those of dense.`);
  print(
    colors.dim(
      '  This model fits the cache of a processor; larger ones gain by what they do not read.',
    ),
  );
}

async function evaluate(model: Model, predictors: PredictorSet) {
  using progress = await startProgress('Comparing modes');
  const stories = demoTexts().find(({ name }) => name === 'stories') as { path: string };
  const text = await readFile(stories.path, 'utf8');
  await model.usePredictors(predictors);
  return await evaluateModes(model, text, {
    modes: ['exact', 'predicted'],
    tokens: TOKENS,
    onProgress: (done, total) => progress.update(done, total),
  });
}

function row(score: ModeScore | ModeEvaluation): string[] {
  const { mode, decode, perplexity } = score;
  const speed = formatRate(decode?.tokensPerSecond ?? null, 'tokens/s');
  const shown = [mode, speed, readPerToken(score)];
  if (!('whole' in score)) return [...shown, '', '', '', perplexity.toFixed(3)];
  const { trueSparsity, predictedSparsity, recallValue, overPrediction } = score.whole;
  return [
    ...shown,
    formatShare(predictedSparsity ?? trueSparsity),
    recallValue === null ? '' : formatShare(recallValue),
    overPrediction === null ? '' : `${overPrediction.toFixed(2)} × firing`,
    `${perplexity.toFixed(3)} (${signed(100 * score.perplexityChange)} %)`,
  ];
}

function readPerToken({ decode }: ModeScore): string {
  if (decode === null) return '';
  const { ffnBytesRead, predictorBytes, tokens } = decode.stats;
  const weights = TIERS.reduce((sum, tier) => sum + ffnBytesRead[tier], 0);
  const predictors = predictorBytes.reduce((sum, bytes) => sum + bytes, 0);
  return formatBytes((weights + predictors) / tokens);
}

function signed(percent: number): string {
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(2)}`;
}
