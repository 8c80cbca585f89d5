// The newest glibc that a binary asks for, read from the version names in the file itself.
import { readFileSync } from 'node:fs';

/** `2.34`, or null where the file names none. */
export function highestGlibc(file) {
  const names = readFileSync(file, 'latin1').match(/GLIBC_(\d+(?:\.\d+)+)\0/g) ?? [];
  const versions = names.map((name) => name.slice('GLIBC_'.length, -1));
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) ?? null;
}
