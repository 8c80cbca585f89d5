// How long a step of training a predictor takes beside PyTorch on the same samples: the same shape,
// batch, loss and optimiser. Fails where it takes more than twice the time: of the processor with one
// thread, which says the same on an idle and on a busy machine.
//
//   node benchmarks/training-speed.mjs [--python /usr/bin/python3] [--threads 1,2] [--rounds 3]
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { runQuietly } from './lib/fresh-process.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';
import { writeSyntheticSamples } from './lib/synthetic-samples.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: '/usr/bin/python3' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
  },
});
const SLOWEST = 2; // times PyTorch's time
const BATCH = 256;
// What the time of a whole model is told for.
const [LAYERS, SAMPLES, PASSES] = [32, 131_072, 3];

const SHAPES = [
  { name: 'demo', dModel: 256, nFf: 1024, ranks: [128, 192], rows: 8192, passes: 4 },
  { name: '7B', dModel: 4096, nFf: 11_008, ranks: [256, 512], rows: 1024, passes: 4 },
];

const peer = findPeer();
const rows = [];
let failed = false;
for (const { name, dModel, nFf, ranks, rows: count, passes } of SHAPES) {
  const train = await writeSyntheticSamples({ dModel, nFf, rows: count, seed: 2 });
  const heldOut = await writeSyntheticSamples({ dModel, nFf, rows: 16, seed: 3 });
  for (const rank of ranks) {
    for (const threads of values.threads.split(',').map(Number)) {
      const task = { train, heldOut, nFf, rank, threads, passes, stepsPerPass: count / BATCH };
      rows.push({
        layer: name,
        d_model: dModel,
        rank,
        n_ff: nFf,
        threads,
        ...(await compare(task)),
      });
    }
  }
  for (const path of [train, heldOut]) rmSync(dirname(path), { recursive: true });
}
printTable(rows);
console.log(`written: ${writeResults('training-speed', rows)}`);
if (failed) {
  console.error(`Slower than ${SLOWEST} times PyTorch.`);
  process.exitCode = 1;
}

/** Ours and both peers in turn. @param {{ threads: number }} task */
async function compare(task) {
  /** @type {Record<'ours' | 'modules' | 'byHand', any[]>} */
  const results = { ours: [], modules: [], byHand: [] };
  for (let round = 0; round < Number(values.rounds); round++) {
    const turns = [
      async () => results.ours.push(await runQuietly('training-worker', task)),
      ...(peer
        ? [
            async () => results.modules.push(await runPeer({ ...task, byHand: false })),
            async () => results.byHand.push(await runPeer({ ...task, byHand: true })),
          ]
        : []),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
  }
  const middle = (/** @type {any[]} */ runs, /** @type {'stepMs' | 'cpuStepMs'} */ key) =>
    median(runs.map((run) => run[key]));
  const step = middle(results.ours, 'stepMs');
  const byModules = middle(results.modules, 'stepMs');
  const processor = middle(results.ours, 'cpuStepMs');
  const processorModules = middle(results.modules, 'cpuStepMs');
  const byHand = middle(results.byHand, 'stepMs');
  failed ||= task.threads === 1 && processor > SLOWEST * processorModules;
  return {
    step_ms: step,
    torch_step_ms: byModules,
    ratio: byModules / step,
    torch_by_hand_step_ms: byHand,
    by_hand_ratio: byHand / step,
    processor_ms: processor,
    torch_processor_ms: processorModules,
    processor_ratio: processorModules / processor,
    torch_by_hand_processor_ms: middle(results.byHand, 'cpuStepMs'),
    // For a model of that many layers of this shape, from processor time shared among the threads: on
    // an idle machine. Sampling and the choice of widths come on top.
    [`hours_for_${LAYERS}_layers`]:
      ((processor / task.threads) * LAYERS * PASSES * (SAMPLES / BATCH)) / 3.6e6,
    other_load: Math.max(...Object.values(results).flatMap((runs) => runs.map((r) => r.otherLoad))),
    raw_ms: results.ours.map((run) => run.stepMs.toPrecision(4)).join(' '),
    torch_raw_ms: results.modules.map((run) => run.stepMs.toPrecision(4)).join(' '),
    torch_by_hand_raw_ms: results.byHand.map((run) => run.stepMs.toPrecision(4)).join(' '),
  };
}

/** @param {{ threads: number, byHand: boolean }} task */
function runPeer(task) {
  return runQuietly('torch_training', task, peer ?? undefined);
}

/** The Python that has PyTorch, or null with the reason printed. */
function findPeer() {
  const tried = spawnSync(values.python, ['-c', 'import torch; print(torch.__version__)'], {
    encoding: 'utf8',
  });
  if (tried.status === 0) return values.python;
  const reason = tried.error?.message ?? tried.stderr.trim().split('\n').at(-1);
  console.error(
    `Without a peer: ${values.python} has no PyTorch (${reason}). Debian: python3-torch.`,
  );
  return null;
}
