import { PipelineError } from '@thermocline/contracts';
import type { CorpusInput } from './corpus-input.js';

const MAX_NAME_LENGTH = 256;

/**
 * The domains of some inputs in the order they are first named; `['']` where none has a name.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when only some have one
 */
export function domainsOf(inputs: readonly CorpusInput[]): string[] {
  const domains = [...new Set(inputs.map(({ domain }) => domain ?? ''))];
  const long = domains.find((name) => name.length > MAX_NAME_LENGTH);
  if (long !== undefined) {
    throw invalid(`the domain name "${long.slice(0, 40)}…" is longer than ${MAX_NAME_LENGTH}`);
  }
  const unnamed = inputs.find(({ domain }) => (domain ?? '') === '');
  if (unnamed !== undefined && domains.length > 1) {
    const example = domains.find((name) => name !== '');
    throw invalid(
      `"${unnamed.path}" has no domain name, but others have, such as "${example}". Name all of them (NAME=PATH) or none`,
    );
  }
  return domains;
}

function invalid(reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `corpus: ${reason}.`, {
    argument: 'corpus',
    reason,
  });
}
