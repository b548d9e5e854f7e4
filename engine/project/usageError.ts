// The errors that a person caused and can mend: caught once, in cli/main.ts, and printed without a stack.

/** Exit code 2: the command line, pipeline.yml or the data are wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
