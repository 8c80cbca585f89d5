import { errorColors, printable } from './terminal.js';

/** Errors that carry a code are about the caller's request or files: the message says it all. */
function isExpected(error: unknown): error is Error & { code: string } {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}

/** Tells a person what went wrong, on stderr. A stack is shown only for what is a bug of ours. */
export function reportError(error: unknown): void {
  const label = errorColors.red('error:');
  if (isExpected(error)) {
    const code = errorColors.dim(`(${error.code})`);
    process.stderr.write(`${label} ${printable(error.message)} ${code}\n`);
    return;
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${label} ${shown}\n`);
}
