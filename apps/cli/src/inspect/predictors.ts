import { type LayerPredictor, predictorBytes, readPredictorSet } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { formatShare } from '../format.js';
import { table } from '../table.js';
import { heading, originReport, type Report } from './report.js';

/** A predictor set: what each layer's predictor is, how large, and how good it was. */
export async function inspectPredictors(path: string): Promise<Report> {
  const set = await readPredictorSet(path);
  const origin = originReport(set);
  const layers = set.layers.map(describe);
  const rows = layers.map((layer, index) => [
    String(index),
    layer.kind,
    layer.reads ?? '',
    layer.rank === null ? '' : String(layer.rank),
    layer.type ?? '',
    formatBytes(layer.bytes),
    layer.recall_value === null ? '' : formatShare(layer.recall_value),
    layer.over_prediction === null ? '' : `${layer.over_prediction.toFixed(2)}×`,
  ]);
  return {
    json: { ...origin.json, layers },
    lines: [
      heading('predictor set'),
      ...origin.lines,
      '',
      table(rows, {
        head: ['layer', 'kind', 'reads', 'rank', 'type', 'size', 'value recall', 'over-prediction'],
        right: [0, 3, 5, 6, 7],
      }),
    ],
  };
}

function describe(predictor: LayerPredictor) {
  const none = { reads: null, rank: null, type: null, bytes: 0 };
  const unknown = { recall_value: null, recall_count: null, over_prediction: null };
  if (predictor.kind === 'none') return { kind: predictor.kind, ...none, ...unknown };
  const { kind, reads, heldOut } = predictor;
  const lowRank = kind === 'trained' || kind === 'factorised';
  return {
    kind,
    reads,
    rank: lowRank ? predictor.down.rows : null,
    type: lowRank ? predictor.up.type : null,
    bytes: predictorBytes(predictor),
    ...(heldOut
      ? {
          recall_value: heldOut.recallValue,
          recall_count: heldOut.recallCount,
          over_prediction: heldOut.overPrediction,
        }
      : unknown),
  };
}
