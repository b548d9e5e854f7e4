// The journal: each run's events as JSON lines, `.dag/runs/RUN.jsonl`; other terminals follow a run by it, history and
// diff read it. A run in which nothing happened leaves none. A line is written by one append, so that a killed run
// leaves whole lines and at most one torn one; readers pass over that and say so (`history/read.ts`).
//
// Kept small: a module's code is written once a run (`code`), nodes point to it by digest; fresh nodes are one line
// between others (`nodes-fresh`); progress, and metrics after the first few hundred, are thinned out to a line every two
// seconds and, later, thirty. The last value of each metric is in the line that ends its node.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Listener, RunEvent } from '../model/event.ts';
import type { Code, Ingredients } from '../model/ingredients.ts';
import type { Acceptance } from '../model/record.ts';

export const JOURNAL_VERSION = 1;

/** How the run was asked for. */
export interface RunHeader {
  /** The words behind `dag`. */
  readonly words: readonly string[];
  readonly pid: number;
  readonly set: readonly string[];
}

/** Ingredients as written: of a module, its code is by digest in a `code` line before. */
export type WrittenIngredients = Omit<Ingredients, 'code'> & {
  readonly code:
    | { readonly kind: 'module'; readonly path: string; readonly digest: string }
    | { readonly kind: 'shell'; readonly command: string };
};

export type Metrics = Readonly<Record<string, number>>;

type Replaced = 'run-started' | 'node-fresh' | 'node-started' | 'node-restored' | 'node-done';
type Written<T extends RunEvent['type']> = Omit<Extract<RunEvent, { type: T }>, 'ingredients'> & {
  readonly ingredients: WrittenIngredients;
};

/** What a line says, besides `v` and `at`. */
export type JournalEvent =
  | Exclude<RunEvent, { type: Replaced }>
  | (Extract<RunEvent, { type: 'run-started' }> & RunHeader)
  | ({ readonly type: 'code'; readonly path: string } & Code)
  /** Names to keys. */
  | { readonly type: 'nodes-fresh'; readonly nodes: Readonly<Record<string, string>> }
  | Written<'node-started'>
  | Written<'node-restored'>
  /** With the last value of each metric. */
  | (Extract<RunEvent, { type: 'node-done' }> & { readonly metrics?: Metrics })
  | { readonly type: 'node-accepted'; readonly node: string; readonly acceptance: Acceptance };

export type Line = JournalEvent & { readonly v: number; readonly at: string };

/** Of each metric of a node, so many are written whenever they come. */
const POINTS = 300;
const SHORTEST_MS = 2000;
const LONGEST_MS = 30_000;
const SHARE = 100;

/** A listener that appends events with their time. */
export function journalTo(
  folder: string,
  runId: string,
  header: RunHeader,
  clock: () => Date = () => new Date(),
): Listener {
  const writer = createWriter(folder, runId);
  const codes = new Set<string>();
  const metrics = new Map<string, Record<string, number>>();
  const points = new Map<string, number>();
  const thin = thinning();
  const held: string[] = [];
  let fresh: Record<string, string> = {};

  const write = (event: JournalEvent, at: Date) => {
    if (Object.keys(fresh).length > 0) held.push(lineOf({ type: 'nodes-fresh', nodes: fresh }, at));
    fresh = {};
    held.push(lineOf(event, at));
    writer.append(held.splice(0).join(''));
  };
  const made = <T extends { ingredients: Ingredients }>(event: T, at: Date) => {
    const { code } = event.ingredients;
    if (code.kind === 'shell') return { ...event, ingredients: { ...event.ingredients, code } };
    const { kind, path: file, digest, files, packages } = code;
    if (!codes.has(digest)) held.push(lineOf({ type: 'code', path: file, digest, files, packages }, at));
    codes.add(digest);
    return { ...event, ingredients: { ...event.ingredients, code: { kind, path: file, digest } } };
  };

  return (event) => {
    const at = clock();
    switch (event.type) {
      case 'run-started':
        held.push(lineOf({ ...event, ...header }, at));
        return;
      case 'run-planned':
        held.push(lineOf(event, at));
        return;
      case 'node-fresh':
        fresh[event.node] = event.key;
        return;
      case 'node-progress':
        if (thin(event.node, at.getTime())) write(event, at);
        return;
      case 'node-metric': {
        const last = metrics.get(event.node) ?? {};
        last[event.name] = event.value;
        metrics.set(event.node, last);
        const id = `${event.node} ${event.name}`;
        const written = (points.get(id) ?? 0) + 1;
        if (written > POINTS && !thin(id, at.getTime())) return;
        points.set(id, written);
        return write(event, at);
      }
      case 'node-started':
        metrics.delete(event.node);
        return write(made(event, at), at);
      case 'node-restored':
        return write(made(event, at), at);
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
}

/** Writes single events as a journal of their own, for what changes results outside of a run. */
export function journalAlone(folder: string, events: readonly JournalEvent[], at: Date): void {
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

function lineOf(event: JournalEvent, at: Date): string {
  return `${JSON.stringify({ v: JOURNAL_VERSION, at: at.toISOString(), ...event })}\n`;
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
