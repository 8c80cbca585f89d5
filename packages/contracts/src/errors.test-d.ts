import { expectTypeOf } from 'vitest';
import { isPipelineError, PipelineError } from './errors.js';

const error: unknown = new PipelineError('FILE_NOT_FOUND', 'x', { path: 'x' });
if (isPipelineError(error, 'ARTIFACT_VERSION')) {
  expectTypeOf(error.details).toEqualTypeOf<{ path: string; expected: string; found: string }>();
}
if (isPipelineError(error)) expectTypeOf(error.code).toBeString();

// @ts-expect-error a code takes its own details
new PipelineError('ARTIFACT_CORRUPT', 'x', { argument: 'x', reason: 'y' });
// @ts-expect-error the list of codes is closed
new PipelineError('SOMETHING_ELSE', 'x', { path: 'x' });
