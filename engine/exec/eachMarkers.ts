// Which runs of `ctx.each` are confirmed. A run puts a marker beside what it remembers; the engine takes all markers away once the
// node's inputs were found unchanged at the end and its result is recorded. What a run with a marker remembered may have been
// made of other bytes than the engine had hashed; what a run remembered whose marker says VOID was made by other code.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const OPEN = 'open-';
const VOID = 'void-';

/** By run, 16 hex digits. */
export function unconfirmedRuns(folder: string): Map<string, 'open' | 'void'> {
  return new Map(
    markersIn(folder).map((name) => [name.slice(OPEN.length), name.startsWith(OPEN) ? 'open' : 'void'] as const),
  );
}

/** Of every call of a node, each with a folder in `parent`: nothing that is not confirmed counts. */
export function distrustRuns(parent: string): void {
  if (!existsSync(parent)) return;
  const folders = readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name: call } of folders)
    for (const name of markersIn(path.join(parent, call)))
      renameSync(path.join(parent, call, name), path.join(parent, call, VOID + name.slice(OPEN.length)));
}

export function markRun(folder: string): string {
  const run = randomBytes(8).toString('hex');
  writeFileSync(path.join(folder, OPEN + run), '');
  return run;
}

export function confirmRuns(folder: string): void {
  for (const name of markersIn(folder)) rmSync(path.join(folder, name), { force: true });
}

function markersIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith(OPEN) || name.startsWith(VOID));
}
