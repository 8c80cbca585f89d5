import type { Shard } from '@thermocline/contracts';

/** Which parts of a run a profile holds. */
export interface ShardRun {
  run: string;
  count: number;
  present: number[];
  missing: number[];
}

/** Gathers shards by run, with what is missing to each. */
export function shardRuns(shards: readonly Shard[]): ShardRun[] {
  const runs = new Map<string, ShardRun>();
  for (const { run, index, count } of shards) {
    const known = runs.get(run) ?? { run, count, present: [], missing: [] };
    known.present.push(index);
    runs.set(run, known);
  }
  for (const { count, present, missing } of runs.values()) {
    present.sort((a, b) => a - b);
    const seen = new Set(present);
    for (let index = 0; index < count; index++) if (!seen.has(index)) missing.push(index);
  }
  return [...runs.values()];
}

/** Shards as numbers on a line, shortened where they are many. */
export function describeShards({ count, present, missing }: ShardRun): string {
  return `shard ${list(present)} of ${count}; missing: ${list(missing)}`;
}

function list(numbers: readonly number[]): string {
  const more = numbers.length > 12 ? ` and ${numbers.length - 12} more` : '';
  return numbers.slice(0, 12).join(', ') + more;
}
