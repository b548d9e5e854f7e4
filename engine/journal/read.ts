// Reads journals. A last line that a kill cut short, and lines of a version that is not ours, are passed over and counted.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { JOURNAL_VERSION, type Line } from './write.ts';

export interface Journal {
  readonly id: string;
  readonly lines: readonly Line[];
  /** What could not be read, for a person; empty where all could. */
  readonly trouble: readonly string[];
}

const ENDING = '.jsonl';

/** The names of all runs, oldest first. */
export function runIds(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ENDING))
    .map((name) => name.slice(0, -ENDING.length))
    .sort();
}

export const journalFile = (folder: string, id: string) => path.join(folder, id + ENDING);

/** `wanted`: lines whose text does not pass are not parsed; used to find one node in many journals. */
export function readJournal(folder: string, id: string, wanted: (text: string) => boolean = () => true): Journal {
  const texts = readFileSync(journalFile(folder, id), 'utf8').split('\n');
  const rest = texts.pop() ?? '';
  const { lines, unread } = parseLines(texts.filter(wanted));
  const trouble: string[] = [];
  if (unread > 0) trouble.push(`${id}: ${unread} ${unread === 1 ? 'line' : 'lines'} could not be read`);
  if (rest !== '') trouble.push(`${id}: its last line is torn (the run was killed while it wrote)`);
  return { id, lines, trouble };
}

export function parseLines(texts: readonly string[]): { lines: Line[]; unread: number } {
  const lines: Line[] = [];
  let unread = 0;
  for (const text of texts) {
    const line = parse(text);
    if (line) lines.push(line);
    else unread++;
  }
  return { lines, unread };
}

function parse(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line | null;
    return line !== null && typeof line.type === 'string' && line.v === JOURNAL_VERSION ? line : null;
  } catch {
    return null;
  }
}
