// Trains a predictor on files of samples, in a process of its own, and says what a step takes.
import { openPredictorMath } from '@thermocline/engine-native';
import { finish, task } from './fresh-process.mjs';

const { train, heldOut, nFf, rank, threads, passes, stepsPerPass } = task();
const norms = new Float32Array(nFf).fill(1);
/** @type {{ wall: number, cpu: number }[]} */
const marks = [];
const mark = () => {
  const { user, system } = process.cpuUsage();
  marks.push({ wall: performance.now(), cpu: (user + system) / 1000 });
};

const math = await openPredictorMath({ threads });
const { history } = await math.fit(
  { files: [train], norms },
  { files: [heldOut], norms },
  {
    kind: 'trained',
    rank,
    epochs: passes,
    // A loss is known from the second pass on; the first warms up and is not counted.
    onProgress: (fraction, loss) => {
      if (marks.length === 0 ? loss !== null : marks.length === 1 && fraction === 1) mark();
    },
  },
);
await math.close();
const [begin, end] = marks;
const losses = history?.heldOutLoss ?? [];
if (losses.length !== passes || begin === undefined || end === undefined) {
  throw new Error('training ended early: its time would say nothing');
}
const steps = (passes - 1) * stepsPerPass;
finish({
  stepMs: (end.wall - begin.wall) / steps,
  cpuStepMs: (end.cpu - begin.cpu) / steps,
  losses,
});
