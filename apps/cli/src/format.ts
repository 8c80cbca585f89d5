/** A rate: three digits are all a measurement like this is good for. */
export function formatRate(value: number | null, unit: string): string {
  if (value === null) return `no ${unit}`;
  return `${formatCount(value >= 100 ? Math.round(value) : Number(value.toPrecision(3)))} ${unit}`;
}

/** A number with a comma between thousands. */
export function formatCount(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 3 });
}

export function formatMs(ms: number | null): string {
  if (ms === null) return 'none';
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export function formatShare(share: number | null): string {
  return share === null ? 'unknown' : `${(share * 100).toFixed(1)} %`;
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
