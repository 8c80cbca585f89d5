import Table from 'cli-table3';

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '  ',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/**
 * Columns that line up, without lines around them.
 *
 * @example
 * table([['name', 'demo'], ['layers', '6']]);
 */
export function table(
  rows: readonly (readonly string[])[],
  options: { head?: readonly string[]; right?: readonly number[] } = {},
): string {
  const { head = [], right = [] } = options;
  const columns = rows[0]?.length ?? head.length;
  const instance = new Table({
    head: [...head],
    chars: NO_LINES,
    colAligns: Array.from({ length: columns }, (_, i) => (right.includes(i) ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) instance.push([...row]);
  return instance.toString().replace(/ +$/gm, '');
}
