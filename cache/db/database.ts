// The index: one LMDB environment with the records, the stat cache and the trees. Writes gather in memory, are seen by
// this process at once, and reach the disk in one transaction at the next `flush`. Several processes may have it open.
// Not for network file systems: LMDB's lock lives in shared memory.
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { type Database as Lmdb, open, type RootDatabase } from 'lmdb';
import { syncFile } from '../host/fsync.ts';
import { bootNumber } from '../host/process.ts';
import type { Counters } from '../types.ts';
import { countOf } from './lmdbFile.ts';
import { enterIndex, suspectIndex } from './openGuard.ts';
import { copyOfIndex } from './repair.ts';
import { SPACES, type Space, TABLES, type Table } from './tables.ts';
import { decodeJson, encodeJson } from './values.ts';

export interface Database {
  /** A damaged index was found and replaced: what to tell a person. */
  readonly repaired: string | null;
  /** See `OpenGuard`. */
  withExclusiveAccess(work: () => void): boolean;
  users(): string[];
  /** Of this boot of the machine, to be kept with what is true only until the next. */
  readonly boot: number;
  get(space: Space, id: string): unknown;
  put(space: Space, id: string, value: unknown): void;
  read(table: Table, key: string): Buffer | null;
  /** As `read`, but the bytes are good only until the next call. */
  peek(table: Table, key: string): Buffer | null;
  has(table: Table, key: string): boolean;
  write(table: Table, key: string, value: Buffer | null): void;
  /** Every key of a space or table, as this process sees them. */
  keys(name: Space | Table): string[];
  /** One write transaction, in which no other process writes: what `work` reads is so until its removals are made. */
  exclusively(work: (remove: (name: Space | Table, key: string) => void) => void): Promise<void>;
  /** From now on reads see what other processes have committed by now. */
  refresh(): void;
  /** Bytes that wait in memory. */
  waitingBytes(): number;
  /** Puts all that waits, and `writes`, in one transaction, and returns when the disk has it. */
  flush(writes?: readonly Write[]): Promise<void>;
  close(): Promise<void>;
}

export interface Write {
  readonly space: Space;
  readonly id: string;
  readonly value: unknown;
}

/** LMDB's keys end at 1,978 bytes; a path may have 4,096. */
const MAX_ID = 1800;

export function openDatabase(path: string, counters: Counters): Database {
  const openedMs = performance.now();
  const guard = enterIndex(path);
  const root: RootDatabase = open({ path, maxDbs: 16 });
  const stores = new Map<string, Lmdb>();
  for (const name of [...SPACES, ...TABLES]) stores.set(name, root.openDB({ name, encoding: 'binary' }));
  const waiting = new Map<string, Map<string, unknown>>();
  for (const name of stores.keys()) waiting.set(name, new Map());
  let bytes = 0;
  let recorded = false;

  const guarded = <T>(key: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      suspectIndex(path);
      throw new Error(
        `the cache's index ${path} is damaged at "${key.slice(0, 80)}": ${(error as Error).message}. Run again: it will be looked through and made anew.`,
        { cause: error },
      );
    }
  };
  const stored = (name: string, key: string): Buffer | undefined =>
    guarded(key, () => {
      // Longer than it says: lmdb reads into one buffer and only sets its length.
      const bytes = stores.get(name)!.getBinaryFast(key);
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    });
  const peek = (table: Table, key: string): Buffer | null => {
    const own = waiting.get(table)!;
    return (own.has(key) ? (own.get(key) as Buffer | undefined) : stored(table, key)) ?? null;
  };
  /** A damaged value is none; the next to open the index looks through all of it. */
  const parsed = (space: Space, id: string): unknown => {
    const own = waiting.get(space)!;
    if (own.has(id)) return own.get(id);
    const bytes = stored(space, id);
    const value = bytes && guarded(id, () => decodeJson(bytes));
    if (bytes && value === undefined) suspectIndex(path);
    return value;
  };
  const set = (name: string, key: string, value: unknown): void => {
    if (key.length > MAX_ID) throw new Error(`internal error: a key of ${key.length} characters in ${name}`);
    waiting.get(name)!.set(key, value);
    const size = key.length + (value instanceof Buffer ? value.length : 64);
    counters.indexBytes += size;
    bytes += size;
  };

  const commitAll = async (batch: readonly (readonly [string, ReadonlyMap<string, unknown>])[]): Promise<void> => {
    await root.transaction(() => {
      for (const [name, values] of batch) {
        const store = stores.get(name)!;
        for (const [key, value] of values) {
          if (value === undefined) store.remove(key);
          else store.put(key, value instanceof Buffer ? value : encodeJson(value));
        }
      }
    });
    await root.flushed;
  };

  return {
    repaired: guard.repaired,
    withExclusiveAccess: guard.withExclusiveAccess,
    users: guard.users,
    boot: bootNumber(),
    get: parsed,
    put: set,
    read(table, key) {
      const bytes = peek(table, key);
      return bytes && Buffer.from(bytes);
    },
    peek,
    has(table, key) {
      const own = waiting.get(table)!;
      return own.has(key) ? own.get(key) !== undefined : guarded(key, () => stores.get(table)!.doesExist(key));
    },
    write: (table, key, value) => set(table, key, value ?? undefined),
    keys(name) {
      const keys = new Set<string>();
      for (const key of stores.get(name)!.getKeys()) keys.add(key as string);
      for (const [key, value] of waiting.get(name)!) {
        if (value === undefined) keys.delete(key);
        else keys.add(key);
      }
      return [...keys];
    },
    async exclusively(work) {
      await root.transaction(() => {
        work((name, key) => {
          waiting.get(name)!.delete(key);
          stores.get(name)!.remove(key);
        });
      });
      await root.flushed;
    },
    refresh: () => root.resetReadTxn(),
    waitingBytes: () => bytes,
    async flush(writes = []) {
      for (const { space, id, value } of writes) set(space, id, value);
      if (bytes === 0) return;
      bytes = 0;
      recorded ||= waiting.get('records')!.size > 0;
      const batch = [...waiting].map(([name, values]) => [name, new Map(values)] as const);
      try {
        await commitAll(batch);
      } catch (error) {
        bytes = 1; // All of it still waits.
        throw error;
      }
      // What was put again meanwhile stays; the rest can now be read from the disk.
      for (const [name, values] of batch) {
        const own = waiting.get(name)!;
        for (const [key, value] of values) if (own.has(key) && own.get(key) === value) own.delete(key);
      }
    },
    async close() {
      if (recorded && isCopyDue(path, (performance.now() - openedMs) / 1000)) await copyIndex(root, path);
      await root.close();
      guard.leave();
    },
  };
}

/** Larger than this, a copy would cost more than it is worth. */
const MOST_COPIED_BYTES = 2 ** 30;
const COPIED_BYTES_A_SECOND = 2 ** 27;
/** Of the time that the work took, and of the records that are in no copy. */
const WORTH_SHARE = 0.02;
const NEW_SHARE = 0.1;

/**
 * A copy is what is left where the index is lost as a whole. It costs its size, so it is made where the work took long
 * beside it, and else when the index has grown: what may be lost is cheap to make again, or little.
 */
function isCopyDue(path: string, seconds: number): boolean {
  const copy = copyOfIndex(path);
  const { size } = statSync(path);
  if (size > MOST_COPIED_BYTES) return false;
  if (!existsSync(copy) || size / COPIED_BYTES_A_SECOND < seconds * WORTH_SHARE) return true;
  const boot = bootNumber();
  return countOf(path, boot, 'records') > countOf(copy, boot, 'records') * (1 + NEW_SHARE);
}

/** A copy that fails is only a copy less. */
async function copyIndex(root: RootDatabase, path: string): Promise<void> {
  const unfinished = `${copyOfIndex(path)}.${process.pid}`;
  try {
    await root.backup(unfinished, true);
    syncFile(unfinished);
    renameSync(unfinished, copyOfIndex(path));
  } catch {
    rmSync(unfinished, { force: true });
  }
}
