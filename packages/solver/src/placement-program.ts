import { TIERS, type Tier } from '@thermocline/contracts';
import { restBudget } from './fill-memory.js';
import { leastNeurons } from './least-neurons.js';
import type { LinearProgram, Term } from './linear-program.js';
import { placeDense } from './place-dense.js';
import type { DensePart, LayerProblem, PlacementProblem } from './problem.js';

/** Neighbours in the order of firing rates, decided as one. */
export interface NeuronGroup {
  neurons: number;
  /** Σ of their firing rates. */
  firings: number;
}

/** How a placement is written as a program. */
export interface ProgramOptions {
  groupNeurons: number;
  /** Whether hotter neurons must be on the faster tiers; otherwise any assignment will do. */
  ordered: boolean;
  /** For `impact`: what memory and flash hold together, if less than their budgets. */
  restBytes?: number;
}

/** Cuts a layer into groups; the last may be shorter. */
export function groupNeurons({ firing }: LayerProblem, size: number): NeuronGroup[] {
  const all = firing.length - 1;
  return Array.from({ length: Math.ceil(all / size) }, (_, index) => {
    const [begin, end] = [index * size, Math.min((index + 1) * size, all)];
    return { neurons: end - begin, firings: (firing[end] as number) - (firing[begin] as number) };
  });
}

/** The variable that is 1 if a group lives on a tier. */
export function groupVariable(tier: Tier, layer: number, group: number): string {
  return `${tier}_${layer}_${group}`;
}

/** The variable that is 1 if a layer's dense part (or the head's) is on the GPU. */
export function denseVariable(layer: number | 'head'): string {
  return `dense_${layer}`;
}

/** Least time per token, in units of `unitSeconds`. */
export function latencyProgram(
  problem: PlacementProblem,
  { groupNeurons: size, ordered }: ProgramOptions,
  unitSeconds: number,
): LinearProgram {
  const program: LinearProgram = { sense: 'minimize', objective: [], rows: [], binaries: [] };
  const bytes: Record<Tier, Term[]> = { gpu: [], cpu: [], flash: [] };
  for (const [index, layer] of problem.layers.entries()) {
    const groups = groupNeurons(layer, size);
    const tiers = TIERS.filter((tier) => layer.rates[tier] !== null);
    assignGroups(program, { index, groups, tiers, ordered });
    addDense(program, layer.dense, denseVariable(index), { bytes, unitSeconds });
    addTime(program, layer, { index, groups, tiers, unitSeconds });
    if (tiers.includes('gpu')) addSync(program, layer, { index, groups, ordered, unitSeconds });
    for (const tier of tiers)
      for (const [group, { neurons }] of groups.entries())
        bytes[tier].push([neurons * layer.neuronBytes, groupVariable(tier, index, group)]);
  }
  addDense(program, problem.head, denseVariable('head'), { bytes, unitSeconds });
  addBudgets(program, problem, bytes);
  return program;
}

/** PowerInfer's Equations 2–8: most firings on the GPU, at least C_l neurons of a layer or none. */
export function impactProgram(
  problem: PlacementProblem,
  { groupNeurons: size, ordered, restBytes }: ProgramOptions,
): LinearProgram {
  const program: LinearProgram = { sense: 'maximize', objective: [], rows: [], binaries: [] };
  const { left } = placeDense(problem, 'gpu-first');
  const onGpu: Term[] = [];
  let all = 0;
  for (const [index, layer] of problem.layers.entries()) {
    all += (layer.firing.length - 1) * layer.neuronBytes;
    if (layer.rates.gpu === null) continue;
    const groups = groupNeurons(layer, size);
    const least = leastNeurons(layer, 'always-active');
    const used = `used_${index}`;
    program.binaries.push(used);
    const counts: Term[] = [];
    for (const [group, { neurons, firings }] of groups.entries()) {
      const name = groupVariable('gpu', index, group);
      program.binaries.push(name);
      program.objective.push([firings, name]);
      counts.push([neurons, name]);
      onGpu.push([neurons * layer.neuronBytes, name]);
      if (ordered && group > 0)
        atLeast(
          program,
          [
            [1, groupVariable('gpu', index, group - 1)],
            [-1, name],
          ],
          0,
        );
    }
    const most = layer.firing.length - 1;
    atLeast(program, [...counts, [-Math.min(least, most + 1), used]], 0);
    atLeast(program, [[most, used], ...counts.map(([n, name]): Term => [-n, name])], 0);
  }
  const rest = all - (restBytes ?? restBudget(problem, left.cpu));
  addRow(program, onGpu, '<=', left.gpu);
  if (rest > 0) addRow(program, onGpu, '>=', rest);
  return program;
}

interface LayerGroups {
  index: number;
  groups: readonly NeuronGroup[];
}

/** Every group is on exactly one tier; if ordered, none is on a faster one than the group before. */
function assignGroups(
  program: LinearProgram,
  { index, groups, tiers, ordered }: LayerGroups & { tiers: readonly Tier[]; ordered: boolean },
): void {
  for (const group of groups.keys()) {
    const names = tiers.map((tier) => groupVariable(tier, index, group));
    program.binaries.push(...names);
    program.rows.push({ terms: names.map((name) => [1, name]), relation: '=', value: 1 });
    if (!ordered || group === 0) continue;
    for (let fastest = 1; fastest < tiers.length; fastest++) {
      const upTo = tiers.slice(0, fastest);
      const before = upTo.map((tier): Term => [1, groupVariable(tier, index, group - 1)]);
      const here = upTo.map((tier): Term => [-1, groupVariable(tier, index, group)]);
      atLeast(program, [...before, ...here], 0);
    }
  }
}

/** A dense part on the GPU or in memory, for a constant and the difference. */
function addDense(
  program: LinearProgram,
  { bytes: size, seconds }: DensePart,
  name: string,
  { bytes, unitSeconds }: { bytes: Record<Tier, Term[]>; unitSeconds: number },
): void {
  const inMemory = `not_${name}`;
  program.binaries.push(name, inMemory);
  program.rows.push({
    terms: [
      [1, name],
      [1, inMemory],
    ],
    relation: '=',
    value: 1,
  });
  if (seconds.gpu === null) program.rows.push({ terms: [[1, name]], relation: '=', value: 0 });
  program.objective.push([(seconds.gpu ?? 0) / unitSeconds, name]);
  program.objective.push([seconds.cpu / unitSeconds, inMemory]);
  bytes.gpu.push([size, name]);
  bytes.cpu.push([size, inMemory]);
}

/** time_l ≥ T_j(l) on every tier. */
function addTime(
  program: LinearProgram,
  { rates }: LayerProblem,
  {
    index,
    groups,
    tiers,
    unitSeconds,
  }: LayerGroups & { tiers: readonly Tier[]; unitSeconds: number },
): void {
  const time = `time_${index}`;
  program.objective.push([1, time]);
  for (const tier of tiers) {
    const { perNeuron, perFiring } = rates[tier] as NonNullable<LayerProblem['rates'][Tier]>;
    const work = groups.map(({ neurons, firings }, group): Term => {
      const seconds = neurons * perNeuron + firings * perFiring;
      return [-seconds / unitSeconds, groupVariable(tier, index, group)];
    });
    atLeast(program, [[1, time], ...work], 0);
  }
}

/** The synchronisation is paid when one group is on the GPU and the dense part not, or the reverse. */
function addSync(
  program: LinearProgram,
  { syncSeconds }: LayerProblem,
  { index, groups, ordered, unitSeconds }: LayerGroups & { ordered: boolean; unitSeconds: number },
): void {
  const [sync, dense] = [`sync_${index}`, denseVariable(index)];
  program.binaries.push(sync);
  program.objective.push([syncSeconds / unitSeconds, sync]);
  for (const group of groups.keys()) {
    const name = groupVariable('gpu', index, group);
    const isLast = group === groups.length - 1;
    if (!ordered || isLast)
      atLeast(
        program,
        [
          [1, sync],
          [-1, dense],
          [1, name],
        ],
        0,
      );
    if (!ordered || group === 0)
      atLeast(
        program,
        [
          [1, sync],
          [1, dense],
          [-1, name],
        ],
        0,
      );
  }
}

/** Budgets in units that all bytes are multiples of: small whole numbers are easier on the solver. */
function addBudgets(
  program: LinearProgram,
  { budgetBytes }: PlacementProblem,
  bytes: Record<Tier, Term[]>,
): void {
  for (const tier of TIERS)
    if (budgetBytes[tier] < Number.POSITIVE_INFINITY)
      addRow(program, bytes[tier], '<=', budgetBytes[tier]);
}

function addRow(program: LinearProgram, terms: Term[], relation: '<=' | '>=', value: number): void {
  const unit = terms.reduce((unit, [bytes]) => divisor(unit, bytes), 0) || 1;
  const round = relation === '<=' ? Math.floor : Math.ceil;
  const scaled = terms.map(([bytes, name]): Term => [bytes / unit, name]);
  if (terms.length > 0) program.rows.push({ terms: scaled, relation, value: round(value / unit) });
}

function atLeast(program: LinearProgram, terms: Term[], value: number): void {
  program.rows.push({ terms, relation: '>=', value });
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
