// Exit codes, and the errors that a person caused and can mend: caught once, in main.ts, and printed without a stack.

export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Exit code 2: the command line, pipeline.yml or the data are wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
