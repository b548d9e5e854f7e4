// The store: bytes by digest. Small files lie in the index, where they cost no sync of their own; others in
// objects/ab/cdef…, read-only. New files lie in a folder of this process until the barrier has synced them, and are
// renamed into place only then: so what is in objects/ is durable, always, and a record may point to it after a power
// cut at any instant.
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Database } from '../db/database.ts';
import { decodeSmall, encodeSmall } from '../db/values.ts';
import { isTree } from '../hash/merkle.ts';
import { neighbour } from '../host/atomic.ts';
import { livingOwner } from '../host/lock.ts';
import { newMark, readMark } from '../host/process.ts';
import { isYoung, statOrNull } from '../host/stat.ts';
import type { Digest } from '../types.ts';
import type { ContentStore } from './contentStore.ts';

/** Files up to this size go to the index: one page of LMDB. */
export const SMALL_BYTES = 4000;

/** In a process' folder: names a folder that it counts on. */
const BASE = 'base~';

export interface Lease {
  readonly path: string;
  /** Not later than the first object it put in, or counts on. */
  readonly sinceMs: number;
  /** Folders that it counts on. */
  readonly folders: readonly Digest[];
}

/** A file in objects/. */
export interface StoredFile {
  readonly digest: Digest;
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was written, or somebody came to count on it. */
  readonly usedMs: number;
}

export interface Objects extends ContentStore {
  /**
   * Whether the bytes are here. If so they may be pointed to after the next barrier: what another process has put in
   * place, it may not have synced yet.
   */
  retain(digest: Digest): boolean;
  /**
   * From now on, while this process lives, collection keeps what this folder leads to. False where a collection is under way,
   * which may have decided before.
   */
  leaseFolder(folder: Digest): boolean;
  /** A path for a new file on the store's disk. */
  temporary(): string;
  /** Written, and not yet in place. */
  waiting(): ReadonlyMap<Digest, string>;
  /** Puts synced files in place; returns the folders to sync. */
  place(synced: ReadonlyMap<Digest, string>): string[];
  /** What is in place, small files apart. */
  files(): Iterable<StoredFile>;
  /** Other processes that have this store open to put something in it. */
  leases(): readonly Lease[];
  /** Moves a damaged object out of the way. */
  quarantine(digest: Digest): void;
  /** Takes a file or folder out of the way by one rename, and removes it meanwhile: half a removed one is never seen. */
  removeLater(path: string): void;
  /** Removes this process' temporary folder. */
  close(): Promise<void>;
}

export function openObjects(dir: string, database: Database): Objects {
  const root = join(dir, 'objects');
  const aside = join(dir, 'damaged');
  const temporaries = join(dir, 'tmp');
  mkdirSync(root, { recursive: true });
  mkdirSync(temporaries, { recursive: true });
  sweep(temporaries);
  const own = join(temporaries, `${newMark()}~${Date.now()}`);
  const waiting = new Map<Digest, string>();
  const removals = new Set<Promise<void>>();
  const retained = new Set<string>();
  let count = 0;

  const pathOf = (digest: Digest) => join(root, digest.slice(0, 2), digest.slice(2));
  // The folder is also this process' lease: who collects garbage keeps what was retained since the oldest living one.
  let leased = false;
  const lease = () => {
    if (!leased) mkdirSync(own, { recursive: true });
    leased = true;
  };
  const temporary = () => {
    lease();
    return join(own, String(count++));
  };
  return {
    has: (digest) => waiting.has(digest) || database.has('small', digest) || existsSync(pathOf(digest)),
    read(digest) {
      const pending = waiting.get(digest);
      if (pending) return { path: pending };
      const small = database.read('small', digest);
      if (small) return { path: null, ...decodeSmall(small) };
      const path = pathOf(digest);
      return existsSync(path) ? { path } : null;
    },
    tree(digest) {
      const value = database.read('trees', digest);
      if (!value || isTree(digest, value)) return value;
      // Files would be restored under wrong names. It goes, so that it is written again when it is next made.
      database.write('trees', digest, null);
      return null;
    },
    retain(digest) {
      if (waiting.has(digest)) return true;
      lease();
      const small = database.read('small', digest);
      // Written again with the record that will point to it: collected meanwhile, it is back.
      if (small) database.write('small', digest, small);
      if (small) return true;
      const path = pathOf(digest);
      const stat = statOrNull(path);
      if (!stat || !markRetained(path, stat)) return false;
      if (isYoung(stat, Date.now())) retained.add(dirname(path));
      return true;
    },
    leaseFolder(folder) {
      lease();
      writeFileSync(join(own, `${BASE}${folder}`), '');
      return livingOwner(collectLock(dir)) === null;
    },
    temporary,
    write(digest, content) {
      if (content.path === null) {
        lease();
        database.write('small', digest, encodeSmall(content));
      } else if (waiting.has(digest)) rmSync(content.path, { force: true });
      else waiting.set(digest, content.path);
    },
    waiting: () => waiting,
    place(synced) {
      const folders = new Set(retained);
      retained.clear();
      for (const [digest, file] of synced) {
        const path = pathOf(digest);
        moveInto(file, path, folders);
        waiting.delete(digest);
        folders.add(dirname(path));
      }
      return [...folders];
    },
    files: () => filesIn(root),
    delete(digests, unusedSinceMs) {
      const removed = new Set<Digest>();
      for (const digest of digests) if (removeUnused(pathOf(digest), temporary(), unusedSinceMs)) removed.add(digest);
      removeEmptyFolders(root);
      return removed;
    },
    leases: () =>
      readdirSync(temporaries)
        .map((name) => ({
          path: join(temporaries, name),
          ...leaseOf(name),
          folders: foldersOf(join(temporaries, name)),
        }))
        .filter(({ path, alive }) => alive && path !== own),
    quarantine(digest) {
      if (database.has('small', digest)) return database.write('small', digest, null);
      mkdirSync(aside, { recursive: true });
      try {
        renameSync(pathOf(digest), join(aside, digest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    },
    removeLater(path) {
      const aside = moveAside(path, temporary());
      const removal = rm(aside, { recursive: true, force: true }).finally(() => removals.delete(removal));
      removals.add(removal);
    },
    async close() {
      await Promise.allSettled(removals);
      await rm(own, { recursive: true, force: true });
    },
  };
}

function* filesIn(root: string): Generator<StoredFile> {
  for (const prefix of readdirSync(root)) {
    for (const name of readdirSync(join(root, prefix))) {
      const path = join(root, prefix, name);
      const stat = statOrNull(path);
      if (!stat) continue;
      const usedMs = Math.max(stat.ctimeMs, stat.mtimeMs, stat.atimeMs);
      yield { digest: (prefix + name) as Digest, path, sizeBytes: stat.size, usedMs };
    }
  }
}

function removeUnused(path: string, aside: string, unusedSinceMs: number): boolean {
  try {
    renameSync(path, aside);
  } catch {
    return false; // Gone, or not ours to remove.
  }
  // A rename leaves the access time: retained since it was looked at, it goes back.
  if ((statOrNull(aside)?.atimeMs ?? 0) >= unusedSinceMs) {
    renameSync(aside, path);
    return false;
  }
  rmSync(aside, { force: true });
  return true;
}

function removeEmptyFolders(root: string): void {
  for (const prefix of readdirSync(root)) {
    try {
      rmdirSync(join(root, prefix));
    } catch {
      // Not empty.
    }
  }
}

function moveAside(path: string, aside: string): string {
  try {
    renameSync(path, aside);
    return aside;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const near = neighbour(path);
    renameSync(path, near);
    return near;
  }
}

/** Its access time says that somebody counts on it, for who collects garbage. False: it was collected an instant ago. */
function markRetained(path: string, { mtimeMs }: { readonly mtimeMs: number }): boolean {
  try {
    utimesSync(path, Date.now() / 1000, mtimeMs / 1000);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    return true; // Another user's object in a shared cache: its own processes hold it.
  }
}

function moveInto(temporary: string, path: string, folders: Set<string>): void {
  try {
    renameSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(dirname(path)));
    renameSync(temporary, path);
  }
  // A rename between two hard links to the same bytes does nothing and leaves the first name.
  rmSync(temporary, { force: true });
}

function leaseOf(name: string): { readonly alive: boolean; readonly sinceMs: number } {
  const mark = readMark(name);
  return { alive: mark?.alive ?? false, sinceMs: Number(mark?.added[0] ?? 0) };
}

function foldersOf(lease: string): Digest[] {
  try {
    return readdirSync(lease)
      .filter((name) => name.startsWith(BASE))
      .map((name) => name.slice(BASE.length) as Digest);
  } catch {
    return []; // It ended this instant.
  }
}

/** Held by a collection of garbage. */
export const collectLock = (dir: string) => join(dir, 'collect.lock');

/** What killed processes of this machine left. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (leaseOf(name).alive || !name.includes('~')) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}
