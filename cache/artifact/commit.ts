// Committing, the durable order: bytes synced where they lie, renamed into the store, the folders synced, then records
// in one synced transaction. Commits that come while another is under way share the next one.
import { setTimeout } from 'node:timers/promises';
import type { Write } from '../db/database.ts';
import { makeDurable } from '../host/fsync.ts';
import type { CacheParts } from './parts.ts';

export interface Committer {
  commit(writes: readonly Write[]): Promise<void>;
}

/** Between the starts of two barriers: many nodes that take milliseconds share one, and a single one does not wait. */
const GATHER_MS = 12;

interface Waiter {
  readonly writes: readonly Write[];
  resolve(): void;
  reject(error: unknown): void;
}

export function newCommitter(parts: CacheParts): Committer {
  let waiters: Waiter[] = [];
  let running = false;
  let lastMs = Number.NEGATIVE_INFINITY;

  async function record(writes: readonly Write[]): Promise<void> {
    const whole = [...parts.whole];
    await placeObjects(parts);
    for (const digest of whole) {
      parts.whole.delete(digest);
      parts.database.write('stored', digest, Buffer.alloc(1));
    }
    await parts.database.flush(writes);
    parts.onStep('recorded');
  }

  async function drain(): Promise<void> {
    running = true;
    while (waiters.length > 0) {
      const pauseMs = lastMs + GATHER_MS - performance.now();
      if (pauseMs > 1) await setTimeout(pauseMs);
      lastMs = performance.now();
      const group = waiters;
      waiters = [];
      try {
        await record(group.flatMap((waiter) => waiter.writes));
        for (const waiter of group) waiter.resolve();
      } catch (error) {
        for (const waiter of group) waiter.reject(error);
      }
    }
    running = false;
  }

  return {
    commit: (writes) =>
      new Promise((resolve, reject) => {
        waiters.push({ writes, resolve, reject });
        if (!running) void drain();
      }),
  };
}

/** Files in the work tree are not synced: the stat cache trusts young ones only until the next boot, the store has them. */
async function placeObjects(parts: CacheParts): Promise<void> {
  const { objects, counters } = parts;
  const bytes = new Map(objects.waiting());
  await makeDurable([...bytes.values()], counters);
  parts.onStep('synced');
  const folders = objects.place(bytes);
  parts.onStep('placed');
  await makeDurable(folders, counters);
  parts.onStep('durable');
}
