// Publishing, the durable order: bytes synced where they lie, renamed into the store, the folders synced, then records
// in one synced transaction. Commits that come while another is under way share the next one.
import { dirname } from 'node:path';
import { makeDurable } from './barrier.ts';
import { filesOf } from './contents.ts';
import type { Write } from './database.ts';
import type { Shelf } from './save.ts';
import type { Digest, Entry } from './types.ts';

export interface Publisher {
  /** A saved artifact whose bytes in the work tree the next barrier syncs too. */
  saved(target: string, entry: Entry): void;
  commit(writes: readonly Write[]): Promise<void>;
}

interface Waiter {
  readonly writes: readonly Write[];
  resolve(): void;
  reject(error: unknown): void;
}

export function newPublisher(shelf: Shelf): Publisher {
  let artifacts = new Map<string, Entry>();
  let waiters: Waiter[] = [];
  let running = false;

  async function publish(writes: readonly Write[]): Promise<void> {
    const saved = artifacts;
    artifacts = new Map();
    try {
      await settle(shelf, saved);
      await shelf.database.flush(writes);
    } catch (error) {
      // Not durable yet: the next barrier has to try again.
      artifacts = new Map([...saved, ...artifacts]);
      throw error;
    }
    shelf.onStep('recorded');
  }

  async function drain(): Promise<void> {
    running = true;
    while (waiters.length > 0) {
      const group = waiters;
      waiters = [];
      try {
        await publish(group.flatMap((waiter) => waiter.writes));
        for (const waiter of group) waiter.resolve();
      } catch (error) {
        for (const waiter of group) waiter.reject(error);
      }
    }
    running = false;
  }

  return {
    saved: (target, entry) => artifacts.set(target, entry),
    commit: (writes) =>
      new Promise((resolve, reject) => {
        waiters.push({ writes, resolve, reject });
        if (!running) void drain();
      }),
  };
}

async function settle(shelf: Shelf, artifacts: ReadonlyMap<string, Entry>): Promise<void> {
  const { objects, counters } = shelf;
  const bytes = new Map(objects.waiting());
  const placed = new Set<string>();
  const paths = [...bytes.values()];
  for (const [target, entry] of artifacts) gather(shelf, target, entry, bytes, paths, placed);
  await makeDurable(paths, counters);
  shelf.onStep('synced');
  for (const folder of objects.settle(bytes)) placed.add(folder);
  shelf.onStep('placed');
  await makeDurable([...placed], counters);
  shelf.onStep('durable');
}

/** The files and folders of an artifact, and the folders of its objects. */
function gather(
  shelf: Shelf,
  target: string,
  entry: Entry,
  bytes: ReadonlyMap<Digest, string>,
  paths: string[],
  placed: Set<string>,
): void {
  paths.push(dirname(target), target);
  const files = entry.kind === 'file' ? [{ path: '', digest: entry.digest }] : filesOf(shelf.database, entry.digest);
  const inner = new Set<string>();
  for (const { path, digest } of files ?? []) {
    if (!bytes.has(digest)) placed.add(shelf.objects.folderOf(digest));
    if (path === '') continue;
    paths.push(`${target}/${path}`);
    for (let folder = dirname(path); folder !== '.' && !inner.has(folder); folder = dirname(folder)) {
      inner.add(folder);
      paths.push(`${target}/${folder}`);
    }
  }
}
