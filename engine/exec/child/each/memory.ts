// What `ctx.each` remembers of earlier runs: an LMDB file with a value an item, in a folder of the call's own. A value says
// what the item was made of, which files came of it and what the worker returned:
//   8 bytes check (of what follows), 32 fingerprint, 16 stamp of the inputs, 8 run, 4 number of files, 32 a file, then JSON.
// Values of a run that the engine did not confirm (it was killed, failed, or an input changed meanwhile) may have been made
// of other bytes than the fingerprint says; for them the stamp decides. A run is open as long as its marker file is there;
// the engine removes the markers once the node's inputs were found unchanged and its result is recorded.
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { open } from 'lmdb';
import { markRun, unconfirmedRuns } from '../../eachMarkers.ts';

export interface Remembered {
  /** 64 hex digits. */
  readonly fingerprint: string;
  /** 32 hex digits; of a run that was not confirmed, else null. */
  readonly unconfirmed: string | null;
  /** 64 hex digits a file. */
  readonly digests: readonly string[];
  result(): string;
}

export interface EachMemory {
  readonly folder: string;
  find(key: string): Remembered | null;
  /** Gathered into transactions; durable within moments, or with `settle`. */
  put(key: string, value: { fingerprint: string; stamp: string; digests: readonly string[]; result: string }): void;
  /** Items remembered when it was opened. */
  count(): number;
  /** Forgets every item whose key is not among these; returns how many. */
  keepOnly(keys: readonly string[]): number;
  settle(): Promise<void>;
  close(): Promise<void>;
}

const HEAD = 68;
const NO_STAMP = '0'.repeat(32);
/** LMDB's keys end at 1,978 bytes. */
const MAX_KEY = 450;
const KEPT_GENERATIONS = 3;

/**
 * `generation` names all that every item's result depends on; values of another one are worthless, yet the last few are
 * kept, for a parameter may be put back. `anew` forgets what this one has.
 */
export function openMemory(parent: string, call: string, generation: string, anew: boolean): EachMemory {
  const folder = path.join(parent, `${call}-${generation.slice(0, 16)}`);
  if (anew) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  utimesSync(folder, new Date(), new Date());
  dropOldest(parent, `${call}-`);

  const unconfirmed = unconfirmedRuns(folder);
  const run = markRun(folder);
  const database = open<Buffer, string>({
    path: path.join(folder, 'items.mdb'),
    encoding: 'binary',
    compression: true,
  });

  return {
    folder,
    find(key) {
      const value = database.get(keyOf(key));
      return value ? decode(value, unconfirmed) : null;
    },
    put: (key, value) => void database.put(keyOf(key), encode(value, run)),
    count: () => (database.getStats() as { entryCount: number }).entryCount,
    keepOnly(keys) {
      const wanted = new Set(keys.map(keyOf));
      let gone = 0;
      for (const key of database.getKeys()) {
        if (wanted.has(key)) continue;
        void database.remove(key);
        gone++;
      }
      return gone;
    },
    settle: async () => void (await database.flushed),
    close: () => database.close(),
  };
}

function dropOldest(parent: string, prefix: string): void {
  const folders = readdirSync(parent)
    .filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes('-'))
    .map((name) => ({ name, usedMs: statSync(path.join(parent, name)).mtimeMs }))
    .sort((a, b) => b.usedMs - a.usedMs);
  for (const { name } of folders.slice(KEPT_GENERATIONS))
    rmSync(path.join(parent, name), { recursive: true, force: true });
}

function keyOf(key: string): string {
  return key.length <= MAX_KEY && !key.includes('\0') ? `k${key}` : `h${hash('sha256', key, 'hex')}`;
}

function encode({ fingerprint, stamp, digests, result }: Parameters<EachMemory['put']>[1], run: string): Buffer {
  const head = Buffer.alloc(HEAD);
  head.write(fingerprint, 8, 'hex');
  head.write(stamp || NO_STAMP, 40, 'hex');
  head.write(run, 56, 'hex');
  head.writeUInt32LE(digests.length, 64);
  const value = Buffer.concat([head, Buffer.from(digests.join(''), 'hex'), Buffer.from(result)]);
  value.write(checkOf(value), 0, 'hex');
  return value;
}

/** Null for a value that is not what was written. */
function decode(value: Buffer, unconfirmed: ReturnType<typeof unconfirmedRuns>): Remembered | null {
  if (value.length < HEAD || checkOf(value) !== value.toString('hex', 0, 8)) return null;
  const digests: string[] = [];
  const end = HEAD + value.readUInt32LE(64) * 32;
  for (let at = HEAD; at < end; at += 32) digests.push(value.toString('hex', at, at + 32));
  return {
    fingerprint: value.toString('hex', 8, 40),
    unconfirmed: unconfirmed.size > 0 ? stampOf(value, unconfirmed.get(value.toString('hex', 56, 64))) : null,
    digests,
    result: () => value.toString('utf8', end),
  };
}

function stampOf(value: Buffer, run: 'open' | 'void' | undefined): string | null {
  if (run === undefined) return null;
  return run === 'open' ? value.toString('hex', 40, 56) : NO_STAMP;
}

function checkOf(value: Buffer): string {
  return hash('sha256', value.subarray(8), 'hex').slice(0, 16);
}
