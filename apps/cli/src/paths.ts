import { resolve } from 'node:path';

/**
 * A path as the caller meant it: package managers run scripts in the package's folder and leave
 * the caller's own in INIT_CWD.
 */
export function callerPath(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}
