// The door of the cache: scan files and folders, save and restore them, keep records. Knows nothing of nodes.
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Collection, type CollectRequest, collect } from './artifact/collect.ts';
import { newCommitter } from './artifact/commit.ts';
import type { CacheParts } from './artifact/parts.ts';
import { restoreArtifact } from './artifact/restore.ts';
import { saveArtifact } from './artifact/save.ts';
import { type ArtifactDamage, artifactDamage, type Verification, verifyStore } from './artifact/verify.ts';
import { openDatabase, type Write } from './db/database.ts';
import type { Space } from './db/tables.ts';
import { Unhashable } from './errors.ts';
import type { LinkOption } from './host/link.ts';
import { newScanner } from './scan/scanner.ts';
import { openObjects } from './store/objects.ts';
import { type Difference, difference, type FileLine, filesOf } from './store/trees.ts';
import { type Counters, type Digest, type Entry, newCounters } from './types.ts';

export type { Collection, CollectRequest } from './artifact/collect.ts';
export type { ArtifactDamage, Verification } from './artifact/verify.ts';
export type { Write } from './db/database.ts';
export type { Space } from './db/tables.ts';
export { StoreDamage, Unhashable } from './errors.ts';
export { frame, hashValue, type Json, sha256 } from './hash/digest.ts';
export { acquireLock, type Lock, type LockOwner } from './host/lock.ts';
export { DEAD, identify, isAlive, type ProcessId, processOf } from './host/process.ts';
export type { Difference, FileLine } from './store/trees.ts';
export type { Counters, Digest, Entry, Key } from './types.ts';

export interface CacheOptions {
  /** Absolute: PROJECT/.dag, or DAG_CACHE. */
  readonly dir: string;
  /** How bytes travel between work tree and store; `auto` takes the cheapest that is safe. */
  readonly link?: LinkOption;
  /** Counts reads, stats, hashes and writes into this. */
  readonly counters?: Counters;
  /** Told of every step of saving and committing (stored, swapped, synced, placed, durable, recorded): tests stop the process there. */
  readonly onStep?: (step: string) => void;
}

export interface Cache {
  /** The folder of this format version: DIR/v1. */
  readonly dir: string;
  readonly counters: Counters;
  /** A damaged index was found at opening, set aside and replaced: what to tell a person. */
  readonly repaired: string | null;
  /**
   * What lies at the absolute path, by the stat cache; only what changed is hashed. Null when nothing is there.
   * Remembered until `forget`. Throws `Unhashable` on dangling links, loops of links, sockets, and folders that may not be read.
   */
  scan(path: string): Entry | null;
  /** Hashes in parallel, and in slices, what `scan` would have to hash one by one. */
  warm(paths: readonly string[]): Promise<void>;
  /** The path, or anything above or beneath it, changed: the next `scan` stats again. */
  forget(path: string): void;
  /** Stats again, past the memory of `scan`: does the path hold anything but `entry` now? */
  changedSince(path: string, entry: Entry): boolean;
  /**
   * As `changedSince`, and also: was a file there written after the instant (milliseconds since 1970)? Then its bytes may have
   * been others meanwhile. A file that came and went leaves no trace, nor does one with several links that was put back with its old mtime.
   */
  touchedSince(path: string, entry: Entry, sinceMs: number): 'changed' | 'touched' | null;
  /** The files of a folder, sorted by code unit of their paths; null when this cache has not seen that folder. */
  files(entry: Entry): FileLine[] | null;
  /** What differs between two folders by their digests; lists up to `limit` (100), counts all. */
  diff(before: Digest, after: Digest, limit?: number): Difference | null;
  /**
   * The bytes of `staged` go to the store and `staged` becomes `target` (by rename; the same path twice leaves it where
   * it is). `base`: what the artifact was before; then saving costs what changed. Durable after the next `commit`. Nobody else may write to `staged` meanwhile.
   */
  save(staged: string, target: string, base?: Entry): Promise<Entry>;
  /** Whether `restore` can work, as far as can be told without reading bytes. */
  has(entry: Entry): boolean;
  /**
   * Makes `target` be the entry: files that differ are replaced, others removed, the rest not touched. Every byte from
   * the store is hashed on its way. Throws `StoreDamage` and sets a bad object aside.
   */
  restore(entry: Entry, target: string): Promise<void>;
  /** A JSON value, or undefined. */
  get(space: Space, id: string): unknown;
  /** Every id of a space. */
  ids(space: Space): string[];
  /** `get` and `has` see what other processes have committed by now; without, it may be as of a moment ago. */
  refresh(): void;
  /** Seen by `get` at once, durable with the next `commit` or `close`. */
  put(space: Space, id: string, value: unknown): void;
  /** Everything saved before becomes durable, then these writes, in one transaction. Concurrent commits share one. */
  commit(writes: readonly Write[]): Promise<void>;
  /** Hashes every stored byte again and sets what is damaged aside. */
  verify(onProgress?: (objects: number) => void): Promise<Verification>;
  /** How what lies at the path differs from the entry, by its bytes; null when the entry's tree is lost. */
  damage(entry: Entry, path: string): Promise<ArtifactDamage[] | null>;
  /** Drops records, then what no record leads to; safe beside running builds. */
  collect(request: CollectRequest): Promise<Collection>;
  /** Does the work while no other process has this cache open, nor can open it; false, and nothing, where one has. */
  withExclusiveAccess(work: () => void): boolean;
  /** The other processes that have this cache open, or may have: for a person. */
  users(): string[];
  close(): Promise<void>;
}

/** Of what is written under DIR. Another version lives beside it. */
const FORMAT = 'v1';
const DIFF_LIMIT = 100;

/** Creates what is not there. Throws when DIR cannot be written. */
export function openCache(options: CacheOptions): Cache {
  const dir = join(options.dir, FORMAT);
  makeWritable(dir);
  const counters = options.counters ?? newCounters();
  const database = openDatabase(join(dir, 'index.mdb'), counters);
  const objects = openObjects(dir, database);
  const scanner = newScanner(database, counters);
  const onStep = options.onStep ?? (() => {});
  const parts: CacheParts = {
    database,
    objects,
    scanner,
    counters,
    link: options.link ?? 'auto',
    whole: new Set(),
    onStep,
  };
  const committer = newCommitter(parts);

  const touchedSince: Cache['touchedSince'] = (path, entry, sinceMs) => {
    const now = scanOrNull(() => scanner.rescan(path, sinceMs));
    if (now?.entry?.kind !== entry.kind || now.entry.digest !== entry.digest) {
      scanner.forget(path);
      return 'changed';
    }
    return now.written ? 'touched' : null;
  };
  return {
    dir,
    counters,
    repaired: database.repaired,
    withExclusiveAccess: database.withExclusiveAccess,
    users: database.users,
    scan: scanner.scan,
    forget: scanner.forget,
    async warm(paths) {
      await scanner.warm(paths);
      await database.flush();
    },
    changedSince: (path, entry) => touchedSince(path, entry, Number.POSITIVE_INFINITY) !== null,
    touchedSince,
    files: (entry) =>
      entry.kind === 'folder'
        ? filesOf(objects, entry.digest)
        : [{ path: '', digest: entry.digest, sizeBytes: entry.sizeBytes }],
    diff: (before, after, limit = DIFF_LIMIT) => difference(objects, before, after, limit),
    save: (staged, target, base) => saveArtifact(parts, staged, target, base),
    has: (entry) =>
      entry.kind === 'folder'
        ? parts.whole.has(entry.digest) || database.has('stored', entry.digest)
        : objects.has(entry.digest),
    restore: (entry, target) => restoreArtifact(parts, entry, target),
    get: (space, id) => database.get(space, id),
    refresh: database.refresh,
    ids: (space) => database.keys(space),
    verify: (onProgress = () => {}) => verifyStore(parts, onProgress),
    damage: (entry, path) => artifactDamage(parts, entry, path),
    collect: (request) => collect(parts, dir, request),
    put: (space, id, value) => database.put(space, id, value),
    commit: (writes) => committer.commit(writes),
    async close() {
      await committer.commit([]);
      await objects.close();
      await database.close();
    },
  };
}

/** What cannot be hashed is not what was. */
function scanOrNull<T>(scan: () => T): T | null {
  try {
    return scan();
  } catch (error) {
    if (error instanceof Unhashable) return null;
    throw error;
  }
}

function makeWritable(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true });
    accessSync(dir, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `cannot write to the cache ${dir}: ${code}. Make it writable, or set DAG_CACHE to a folder that is.`,
      {
        cause: error,
      },
    );
  }
}
