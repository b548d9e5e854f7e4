// The journal: each run's events as JSON lines, `.dag/runs/RUN.jsonl`. A run in which nothing happened leaves none.
import { appendFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Listener, RunEvent } from '../event.ts';

const SCHEMA_VERSION = 1;

/** A listener that appends events, with their time; "fresh" events are left out, their number is in the summary. */
export function journalTo(folder: string, runId: string, clock: () => Date = () => new Date()): Listener {
  const file = path.join(folder, `${runId}.jsonl`);
  let held: string[] | null = [];
  return (event) => {
    if (event.type === 'node-fresh' || event.type === 'node-progress') return;
    const line = lineOf(event, clock());
    if (held) {
      held.push(line);
      if (event.type === 'run-started' || event.type === 'run-finished') return;
      mkdirSync(folder, { recursive: true });
    }
    appendFileSync(file, held ? held.join('') : line);
    held = null;
  };
}

function lineOf(event: RunEvent, at: Date): string {
  return `${JSON.stringify({ v: SCHEMA_VERSION, at: at.toISOString(), ...event })}\n`;
}

/** A name that sorts by time and does not collide between two processes. */
export function newRunId(at: Date): string {
  return `${at.toISOString().replace(/[:.]/g, '-')}-${process.pid}`;
}
