// Runs as a person thinks of them: when, what was asked, how it went. Made from journals; pure but for the reading.
import type { Reason } from '../model/reason.ts';
import type { Acceptance } from '../model/record.ts';
import type { PastEvent } from './decode.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import type { Journal } from './read.ts';

export type RunResult = 'done' | 'failed' | 'stopped' | 'running' | 'died';

export interface PastRun {
  readonly id: string;
  readonly startedAt: string;
  readonly profile: string | null;
  /** The words behind `dag`. */
  readonly words: readonly string[];
  readonly set: readonly string[];
  readonly pid: number;
  readonly result: RunResult;
  readonly ran: number;
  readonly restored: number;
  readonly fresh: number;
  readonly failed: number;
  /** Interrupted; the next run makes them. */
  readonly stopped: number;
  readonly seconds: number;
}

/** Null for a journal without a run in it (an acceptance). `running`: the PID of the run that goes on now. */
export function pastRun({ id, events }: Journal, running: number | null): PastRun | null {
  const start = events.find((event) => event.type === 'run-started');
  if (start?.type !== 'run-started') return null;
  const end = events.findLast((event) => event.type === 'run-finished');
  const { at, profile, words, set, pid } = start;
  const ends = [...lastEnds(events).values()];
  const count = (wanted: End) => ends.filter((end) => end === wanted).length;
  const stopped = count('stopped');
  const shared = { stopped, id, startedAt: at, profile, words, set, pid };
  if (end?.type === 'run-finished') {
    const { ran, restored, fresh, failed, seconds, ok } = end.summary;
    const failures = failed.length - stopped;
    const result = ok ? 'done' : failures > 0 ? 'failed' : 'stopped';
    const counts = { ran: ran.length, restored: restored.length, fresh: fresh.length, failed: failures };
    return { ...shared, result, ...counts, seconds };
  }
  return {
    ...shared,
    result: running === pid ? 'running' : 'died',
    ran: count('ran'),
    restored: count('restored'),
    fresh: count('fresh'),
    failed: count('failed'),
    seconds: (Date.parse(events.at(-1)!.at) - Date.parse(at)) / 1000,
  };
}

type End = 'ran' | 'restored' | 'fresh' | 'failed' | 'stopped';

/** How each node ended that has; one that an edit reached afterwards has not. */
function lastEnds(events: readonly PastEvent[]): Map<string, End> {
  const ends = new Map<string, End>();
  for (const event of events) {
    if (event.type === 'node-fresh') ends.set(event.node, 'fresh');
    if (event.type === 'nodes-reopened') for (const name of event.nodes) ends.delete(name);
    if (event.type === 'node-done') ends.set(event.node, 'ran');
    if (event.type === 'node-restored') ends.set(event.node, 'restored');
    if (event.type === 'node-failed') ends.set(event.node, event.failure.kind === 'interrupted' ? 'stopped' : 'failed');
  }
  return ends;
}

export type NodeHappening =
  | {
      readonly kind: 'ran' | 'failed' | 'stopped' | 'yielded' | 'restored' | 'unfinished';
      readonly run: string;
      readonly at: string;
      readonly seconds: number | null;
      readonly reasons: readonly Reason[];
      readonly key: string;
      readonly metrics: Metrics;
      readonly message: string | null;
    }
  | { readonly kind: 'accepted'; readonly run: string; readonly at: string; readonly acceptance: Acceptance };

/** All that happened to a node in one journal, in order. */
export function happenings({ id, events }: Journal, node: string): NodeHappening[] {
  const found: NodeHappening[] = [];
  const metrics = createMetrics();
  for (const event of events) {
    if (!('node' in event) || event.node !== node) continue;
    const { at } = event;
    metrics.hear(event);
    if (event.type === 'node-accepted') found.push({ kind: 'accepted', run: id, at, acceptance: event.acceptance });
    if (event.type === 'node-started' || event.type === 'node-restored') {
      const { reasons, key } = event;
      const restored = event.type === 'node-restored';
      const seconds = restored ? event.seconds : null;
      const kind = restored ? 'restored' : 'unfinished';
      found.push({ kind, run: id, at, seconds, reasons, key, metrics: {}, message: null });
    }
    if (event.type === 'node-done') finish(found, { kind: 'ran', seconds: event.seconds, metrics: metrics.of(node) });
    if (event.type === 'node-yielded')
      finish(found, { kind: 'yielded', seconds: event.seconds, message: `to ${event.to ?? 'its new code'}` });
    if (event.type === 'node-failed') {
      const kind = event.failure.kind === 'interrupted' ? 'stopped' : 'failed';
      finish(found, { kind, seconds: event.seconds, message: event.failure.message });
    }
  }
  return found;
}

function finish(found: NodeHappening[], end: Partial<Exclude<NodeHappening, { kind: 'accepted' }>>): void {
  const at = found.findLastIndex(({ kind }) => kind === 'unfinished');
  const begun = found[at];
  if (begun && begun.kind !== 'accepted') found[at] = { ...begun, ...end };
}
