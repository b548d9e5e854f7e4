// Runs by name on the command line: `last`, `last~2`, or the beginning of a run's name, as `dag history` prints them.
import { readJournal, runIds } from '../journal/read.ts';
import { UsageError } from './usageError.ts';

/** Names of runs, oldest first; journals of acceptances are left out. */
export function knownRuns(folder: string): string[] {
  return runIds(folder).filter(
    (id) => readJournal(folder, id, (text) => text.includes('"type":"run-started"')).events.length > 0,
  );
}

export function findRun(word: string, ids: readonly string[]): string | null {
  const back = /^last(?:~(\d+))?$/.exec(word);
  if (back) return ids.at(-1 - Number(back[1] ?? 0)) ?? null;
  const found = ids.filter((id) => id.startsWith(word));
  if (found.length > 1) throw new UsageError(`"${word}" is ${found.length} runs; give more of the name`);
  return found[0] ?? null;
}

export function mustFindRun(word: string, ids: readonly string[]): string {
  const found = findRun(word, ids);
  if (found !== null) return found;
  throw new UsageError(
    `there is no run "${word}"\n  \`dag history\` lists them; last, last~1, … or the beginning of a name will do`,
  );
}
