import { createColors } from 'picocolors';

function wantsColor(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== '0';
  return stream.isTTY === true && TERM !== 'dumb';
}

/** Colours for stdout; plain text in pipes and where NO_COLOR is set. */
export const colors = createColors(wantsColor(process.stdout));
/** The same for stderr, which may be a terminal when stdout is a file. */
export const errorColors = createColors(wantsColor(process.stderr));

/** The value of every `--json`: one object on one line, and nothing else on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** A line of the result on stdout. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** A line for the person, on stderr, where it spoils no output that is read by a program. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text from a file or a model, with the characters removed that would steer a terminal. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '');
}

/** Text of a file on one line of a table: line breaks shown, the rest as `printable`. */
export function oneLine(text: string, width = 60): string {
  const line = printable(text.replaceAll('\n', '⏎').replaceAll('\t', ' '));
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** `thermocline … | head` closes the pipe early; that is no failure. */
export function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
}
