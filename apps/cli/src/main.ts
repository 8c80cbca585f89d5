import { CommanderError } from 'commander';
import { EXIT } from './exit-codes.js';
import { createProgram } from './program.js';
import { reportError } from './report-error.js';
import { endQuietlyOnClosedPipe } from './terminal.js';

/** Runs the command line and sets the exit code; output still under way is written first. */
export async function main(args: readonly string[]): Promise<void> {
  endQuietlyOnClosedPipe();
  try {
    await createProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version end this way too. Commander has already said what is wrong.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  reportError(error);
  switch ((error as { code?: unknown }).code) {
    case 'INVALID_ARGUMENT':
      return EXIT.usage;
    case 'ABORTED':
      return EXIT.interrupted;
    default:
      return EXIT.failed;
  }
}
