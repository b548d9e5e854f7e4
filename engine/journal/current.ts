// The run that goes on now, seen from another process by its journal.
import { livingOwner } from '../../cache/host/index.ts';
import { journalFile, readJournal, runIds } from './read.ts';

export interface CurrentRun {
  readonly id: string;
  readonly file: string;
  readonly pid: number;
}

/** Null when no run goes on, or none that has begun to do anything. */
export async function currentRun(places: { lock: string; journals: string }): Promise<CurrentRun | null> {
  const holder = livingOwner(places.lock);
  if (!holder) return null;
  const id = runIds(places.journals).findLast((name) => name.endsWith(`-${holder.pid}`));
  if (id === undefined || isFinished(places.journals, id)) return null;
  return { id, file: journalFile(places.journals, id), pid: holder.pid };
}

/** A process may run more than once (`dag watch`); of an earlier life of its PID the journal has no end either way. */
function isFinished(folder: string, id: string): boolean {
  return readJournal(folder, id, (text) => text.includes('"type":"run-finished"')).events.length > 0;
}
