import { basename } from 'node:path';
import type { PredictorSet } from '@thermocline/contracts';
import {
  isLossy,
  type ModeComparison,
  type ModeEvaluation,
  type Model,
} from '@thermocline/runtime';
import { escapeMarkup } from '../charts/escape.js';
import { percent } from '../charts/lines.js';
import { pageList, pageTable } from '../charts/page.js';
import type { PredictorLayer } from '../charts/predictor-charts.js';
import type { PredictorPicture } from '../charts/predictor-page.js';
import { formatCount } from '../format.js';
import { describeShape } from '../inspect/report.js';
import { costLine } from './comparison-lines.js';
import { figureRows, layerRows, signedPercent } from './comparison-rows.js';
import type { Passage } from './passage.js';
import { rankOf } from './rank-of.js';

/** Modes beside `dense`, as they are drawn: over depth the one that predicts, else the last. */
export function comparisonPicture(
  { info, predictors }: Model,
  comparison: ModeComparison,
  passage: Passage,
): PredictorPicture {
  const { dense, modes, tokens, context } = comparison;
  const lossy = modes.filter(({ mode }) => isLossy(mode));
  const drawn = lossy[0] ?? modes.at(-1);
  const set = (lossy[0] && predictors?.set) ?? null;
  const text = `${basename(passage.path)}: ${formatCount(tokens)} tokens in windows of ${context}`;
  return {
    measured: `in mode ${drawn?.mode ?? 'dense'}, on ${formatCount(tokens)} tokens`,
    layers: drawn ? toLayers(drawn, set) : [],
    page: {
      heading: 'What modes lose, and what they skip',
      subject: info.name,
      intro: [
        escapeMarkup(describeShape(info.model)),
        ...lossy.map((mode) => escapeMarkup(costLine(mode, dense))),
      ],
      facts: drawn ? facts(drawn) : [],
      sections: [
        ['Modes', modeTable(comparison)],
        ...(drawn ? [['Layers', layerTable(drawn, set)] as const] : []),
        [
          'Where it comes from',
          pageList([
            `Fingerprint of the model: <code>${escapeMarkup(info.fingerprint)}</code>`,
            escapeMarkup(text),
          ]),
        ],
      ],
    },
  };
}

function toLayers({ layers }: ModeEvaluation, set: PredictorSet | null): PredictorLayer[] {
  return layers.map(({ predictor, ...figures }, layer) => ({
    ...figures,
    ...predictor,
    kind: set?.layers[layer]?.kind ?? '',
    rank: rankOf(set?.layers[layer]),
  }));
}

function facts({ whole, perplexityChange, agreement }: ModeEvaluation): [string, string][] {
  const all: [number | null, (value: number) => string, string][] = [
    [perplexityChange, signedPercent, 'perplexity against dense'],
    [agreement, percent, 'of the next tokens as dense'],
    [whole.recallValue, percent, 'recall by value'],
    [whole.overPrediction, (times) => `${times.toFixed(2)}×`, 'predicted for each that fires'],
    [whole.predictedSparsity, percent, 'of the neurons are not computed'],
    [whole.trueSparsity, percent, 'of the neurons do not fire'],
  ];
  return all.flatMap(([value, format, what]) => (value === null ? [] : [[format(value), what]]));
}

function modeTable(comparison: ModeComparison): string {
  const { head, rows } = figureRows(comparison);
  return pageTable(head, rows);
}

function layerTable(evaluation: ModeEvaluation, set: PredictorSet | null): string {
  const { head, rows } = layerRows(evaluation, set);
  return pageTable(head, rows.slice(0, -1), rows.at(-1));
}
