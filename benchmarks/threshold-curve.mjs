// What leaving neurons out costs a model without exact zeros: the perplexity of held-out text in mode
// `threshold` at several sparsities, and how fast it decodes there, beside `dense`, in turns.
//
//   node benchmarks/threshold-curve.mjs [--model FILE] [--tokens 32768] [--test-tokens 16384]
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { demoTexts, demoTrainingText } from '@thermocline/demo-model';
import { evaluateModes, loadModel, openCorpus } from '@thermocline/runtime';
import { swigluModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';

const SPARSITIES = [0.25, 0.4, 0.5, 0.6];

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: swigluModel.path },
    tokens: { type: 'string', default: '32768' },
    'test-tokens': { type: 'string', default: '16384' },
  },
});
if (!existsSync(values.model)) {
  console.log(`skipped: ${values.model} is not here (extra test data)`);
  process.exit(0);
}
const tokens = Number(values.tokens);
const model = await loadModel(values.model);
const corpus = await openCorpus([{ path: demoTrainingText() }]);
const text = readFileSync(demoTexts()[0]?.path ?? '', 'utf8');

const profile = await model.profile(corpus, { tokens });
const start = performance.now();
const set = await model.trainPredictors(corpus, profile, { kind: 'gate', tokens });
console.log(`calibrated in ${((performance.now() - start) / 1000).toFixed(0)} s`);

const rows = [];
for (const sparsity of SPARSITIES) {
  await model.usePredictors(set, { sparsity });
  const { dense, modes } = await evaluateModes(model, text, {
    modes: ['threshold'],
    tokens: Number(values['test-tokens']),
  });
  const [run] = modes;
  if (run === undefined) throw new Error('mode threshold did not run');
  rows.push({
    model: model.info.name,
    sparsity_asked: sparsity,
    sparsity: run.whole.predictedSparsity ?? '',
    perplexity: run.perplexity,
    dense_perplexity: dense.perplexity,
    change: run.perplexityChange,
    nats_error: run.nllChange.standardError ?? '',
    agreement: run.agreement,
    value_recall: run.whole.recallValue ?? '',
    decode_ratio: (run.decode?.tokensPerSecond ?? 0) / (dense.decode?.tokensPerSecond ?? 1),
  });
}
printTable(rows);
console.log(`written: ${writeResults('threshold-curve', rows)}`);
await corpus.close();
await model.close();
