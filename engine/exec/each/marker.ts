// Which runs of `ctx.each` are confirmed. A run puts a marker beside what it remembers; the engine takes all markers away once the
// node's inputs were found unchanged at the end and its result is recorded. What a run with a marker remembered may have been
// made of other bytes than the engine had hashed.
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const PREFIX = 'open-';

/** 16 hex digits a run. */
export function unconfirmedRuns(folder: string): Set<string> {
  return new Set(markersIn(folder).map((name) => name.slice(PREFIX.length)));
}

export function markRun(folder: string): string {
  const run = randomBytes(8).toString('hex');
  writeFileSync(path.join(folder, PREFIX + run), '');
  return run;
}

export function confirmRuns(folder: string): void {
  for (const name of markersIn(folder)) rmSync(path.join(folder, name), { force: true });
}

function markersIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith(PREFIX));
}
