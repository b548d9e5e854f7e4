// The end of a log.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 65_536;

/** The last lines of a log; none where there is no log, since a node's failure must be told in any case. */
export function lastLines(log: string, lines: number): string[] {
  try {
    const file = openSync(log, 'r');
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(file, bytes, 0, bytes.length, size - bytes.length);
      const text = bytes.toString('utf8').trimEnd();
      return text === '' ? [] : text.split('\n').slice(-lines);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}
