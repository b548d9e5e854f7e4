// What was thrown, whatever it is: a line or a few for the terminal, and all of it for the log.
import { inspect, types } from 'node:util';

const MOST_ERRORS = 5;

/** With what caused it, and each of the errors of an AggregateError. */
export function messageOf(thrown: unknown, seen: readonly unknown[] = []): string {
  if (!isError(thrown)) return typeof thrown === 'string' && thrown !== '' ? thrown : `it threw ${shown(thrown)}`;
  const { message, name, cause, errors } = thrown as Partial<AggregateError>;
  const lines = [String(message || name || 'Error')];
  const known = [...seen, thrown];
  const add = (what: string, other: unknown) => {
    if (!known.includes(other)) lines.push(`${what}${messageOf(other, known).split('\n').join('\n  ')}`);
  };
  if (Array.isArray(errors)) {
    for (const error of errors.slice(0, MOST_ERRORS)) add('- ', error);
    if (errors.length > MOST_ERRORS) lines.push(`- and ${errors.length - MOST_ERRORS} more`);
  }
  if (cause !== undefined) add('caused by: ', cause);
  return lines.join('\n');
}

/** An error with its stack, its causes and whatever else it carries. */
export function shown(thrown: unknown): string {
  try {
    if (isError(thrown) && thrown.stack === thrown.message) return thrown.message;
    return inspect(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** One of another realm has another `Error`. */
function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || types.isNativeError(thrown);
}
