const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/**
 * A bar of block characters; the whole width is 1. What is missing to it is dotted, so that one
 * sees what was skipped.
 */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const filled = '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
  return filled + '·'.repeat(width - [...filled].length);
}

const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A row of columns, the highest value as the tallest. */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values, 0);
  return values
    .map((value) => (highest > 0 ? LEVELS[Math.round((value / highest) * 7)] : LEVELS[0]))
    .join('');
}

/**
 * The share of neurons that fired, layer by layer.
 *
 * @example
 * layerBars([0.15, 0.04], [1024, 1024]).join('\n');
 */
export function layerBars(
  shares: readonly (number | null)[],
  neurons: readonly number[],
  paint: (bar: string) => string = (text) => text,
): string[] {
  const digits = String(shares.length - 1).length;
  return shares.map((share, layer) => {
    const number = String(layer).padStart(digits);
    const percent = share === null ? '  –' : `${(share * 100).toFixed(1).padStart(5)} %`;
    const count = share === null ? '' : ` ${Math.round(share * (neurons[layer] ?? 0))}`;
    const of = share === null ? '' : ` of ${neurons[layer]}`;
    return `  layer ${number}  ${paint(bar(share ?? 0, 40))} ${percent} ${count}${of}`;
  });
}
