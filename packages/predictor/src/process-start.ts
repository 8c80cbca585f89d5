import { readFile } from 'node:fs/promises';

/** Fields of /proc/PID/stat behind the name, which may hold blanks and brackets itself. */
const STATE = 0;
const START = 19;

/**
 * When a process began, as Linux counts it; `'gone'` for one that has ended, though its parent has
 * not asked for it yet; `undefined` where the system does not tell.
 */
export async function startOfProcess(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[STATE] ?? '';
  return 'ZXx'.includes(state) ? 'gone' : fields[START];
}
