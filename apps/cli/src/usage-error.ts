/** A request that contradicts itself or lacks something: exit code 2. */
export class UsageError extends Error {
  readonly code = 'INVALID_ARGUMENT';
}
