// The journal: each run's events as JSON lines, `.dag/runs/RUN.jsonl`; other terminals follow a run by it, history and
// diff read it. A run in which nothing happened leaves none. A line is written by one append, so that a killed run
// leaves whole lines and at most one torn one; readers pass over that and say so (`read.ts`).
//
// Progress, and metrics after the first few hundred, are thinned out to a line every two seconds and, later, thirty.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { EventSink, RunEvent } from '../model/event.ts';
import type { Ingredients } from '../model/ingredients.ts';
import { type JournalLine, lineOf, written } from './lines.ts';

/** Of each metric of a node, so many are written whenever they come. */
const POINTS = 300;
const SHORTEST_MS = 2000;
const LONGEST_MS = 30_000;
const SHARE = 100;

/** Appends events with their time. */
export function journalTo(folder: string, runId: string): EventSink {
  const writer = createWriter(folder, runId);
  const codes = new Set<string>();
  const metrics = new Map<string, Record<string, number>>();
  const points = new Map<string, number>();
  const thin = thinning();
  const held: string[] = [];
  let fresh: Record<string, string> = {};

  const hold = (line: JournalLine, at: Date) => {
    if (Object.keys(fresh).length > 0) held.push(lineOf({ type: 'nodes-fresh', nodes: fresh }, at));
    fresh = {};
    held.push(lineOf(line, at));
  };
  const write = (line: JournalLine, at: Date) => {
    hold(line, at);
    writer.append(held.splice(0).join(''));
  };
  const holdCode = ({ code }: Ingredients, at: Date) => {
    if (code.kind === 'shell' || codes.has(code.digest)) return;
    const { path: file, digest, files, packages } = code;
    codes.add(digest);
    held.push(lineOf({ type: 'code', path: file, digest, files, packages }, at));
  };

  const on = (event: RunEvent, atMs: number) => {
    const at = new Date(atMs);
    switch (event.type) {
      case 'run-started':
      case 'run-planned':
        return hold(event, at);
      case 'node-fresh':
        fresh[event.node] = event.key;
        return;
      case 'node-progress':
        if (thin(event.node, atMs)) write(event, at);
        return;
      case 'node-metric': {
        const last = metrics.get(event.node) ?? {};
        last[event.name] = event.value;
        metrics.set(event.node, last);
        const id = `${event.node} ${event.name}`;
        const written = (points.get(id) ?? 0) + 1;
        if (written > POINTS && !thin(id, atMs)) return;
        points.set(id, written);
        return write(event, at);
      }
      case 'node-started':
        metrics.delete(event.node);
        holdCode(event.ingredients, at);
        return write(written(event), at);
      case 'node-restored':
        holdCode(event.ingredients, at);
        return write(written(event), at);
      case 'node-done': {
        const last = metrics.get(event.node);
        return write(last ? { ...event, metrics: last } : event, at);
      }
      case 'run-finished':
        if (writer.begun()) write(event, at);
        return writer.close();
      default:
        return write(event, at);
    }
  };
  return { on, close: async () => writer.close() };
}

/** Writes single events as a journal of their own, for what changes results outside of a run. */
export function journalAlone(folder: string, events: readonly JournalLine[], at: Date): void {
  const writer = createWriter(folder, newRunId(at));
  writer.append(events.map((event) => lineOf(event, at)).join(''));
  writer.close();
}

/**
 * Appends whole lines. A disk that is full ends no run: its lines are lost, which is said once, and the first line that
 * finds room again begins on a line of its own.
 */
function createWriter(folder: string, runId: string) {
  let file: number | null = null;
  let torn = false;
  let told = false;
  const write = (text: string) => {
    if (file === null) {
      mkdirSync(folder, { recursive: true });
      file = openSync(path.join(folder, `${runId}.jsonl`), 'a');
    }
    const bytes = Buffer.from(torn ? `\n${text}` : text);
    torn = true;
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    torn = false;
  };
  return {
    begun: () => file !== null,
    append(text: string) {
      try {
        write(text);
      } catch (error) {
        if (!told) process.stderr.write(`the journal of this run has gaps: ${(error as Error).message}\n`);
        told = true;
      }
    },
    close() {
      if (file !== null) closeSync(file);
      file = null;
    },
  };
}

/** Says of each progress whether it is due: the longer a node runs, the rarer. */
function thinning(): (node: string, nowMs: number) => boolean {
  const seen = new Map<string, { firstMs: number; lastMs: number }>();
  return (node, nowMs) => {
    const known = seen.get(node);
    if (!known) {
      seen.set(node, { firstMs: nowMs, lastMs: nowMs });
      return true;
    }
    const pause = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, (nowMs - known.firstMs) / SHARE));
    if (nowMs - known.lastMs < pause) return false;
    known.lastMs = nowMs;
    return true;
  };
}

/** A name that sorts by time and does not collide between two processes. */
export function newRunId(at: Date): string {
  return `${at.toISOString().replace(/[:.]/g, '-')}-${process.pid}`;
}
