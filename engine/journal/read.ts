// Reads journals: the events that were written, as they were told. A last line that a kill cut short, and lines of a version that is not ours, are passed over and counted.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createDecoder, type PastEvent } from './decode.ts';

export interface Journal {
  readonly id: string;
  readonly events: readonly PastEvent[];
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

/** `wanted`: lines whose text does not pass are not read; used to find one node in many journals. */
export function readJournal(folder: string, id: string, wanted: (text: string) => boolean = () => true): Journal {
  const texts = readFileSync(journalFile(folder, id), 'utf8').split('\n');
  const rest = texts.pop() ?? '';
  const decode = createDecoder();
  const events: PastEvent[] = [];
  let unread = 0;
  for (const text of texts.filter(wanted)) {
    const found = decode(text);
    if (found) for (const event of found) events.push(event);
    else unread++;
  }
  const trouble: string[] = [];
  if (unread > 0) trouble.push(`${id}: ${unread} ${unread === 1 ? 'line' : 'lines'} could not be read`);
  if (rest !== '') trouble.push(`${id}: its last line is torn (the run was killed while it wrote)`);
  return { id, events, trouble };
}
