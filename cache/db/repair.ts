// A new index in the place of a damaged one: what the copy of an earlier run has, and over it all that can be read of the
// damaged one. What says itself what it should be (trees and small files by their digests, JSON by its checksum) is checked on the way; what is wrong is left out.
import { existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Database as Lmdb, open } from 'lmdb';
import { isTree } from '../hash/merkle.ts';
import { syncFile } from '../host/fsync.ts';
import { bootNumber } from '../host/process.ts';
import { entriesOf, type IndexEntry } from './lmdbFile.ts';
import { SPACES, TABLES } from './tables.ts';
import { decodeJson, isSmall } from './values.ts';

const NAMES: readonly string[] = [...SPACES, ...TABLES];

export const copyOfIndex = (index: string) => index.replace(/\.mdb$/, '.copy.mdb');

/** Nobody may have the index open. Returns what was found and done, for a person. */
export function rebuildIndex(index: string, fault: string): string {
  const fresh = `${index}.new`;
  const copy = copyOfIndex(index);
  removeWithLock(fresh);
  const copied = existsSync(copy) ? readInto(fresh, copy) : null;
  const { read, lost } = readInto(fresh, index);
  const aside = setAside(index, fresh);
  const own = read === 0 ? 'none' : lost === 0 ? `all ${read}` : `${read}`;
  const copies = copied ? `${copied.read} entries from the copy made after an earlier run` : 'there was no copy of it';
  return `the cache's index ${index} was damaged: ${fault}. It was moved to ${aside} and made anew: ${copies}, ${own} from the damaged file. What it no longer knows is made again.`;
}

interface Reading {
  readonly read: number;
  /** Entries, or pages of them. */
  readonly lost: number;
}

function readInto(to: string, from: string): Reading {
  const root = open({ path: to, maxDbs: 16 });
  const stores = new Map<string, Lmdb>();
  for (const name of NAMES) stores.set(name, root.openDB({ name, keyEncoding: 'binary', encoding: 'binary' }));
  let read = 0;
  let wrong = 0;
  const unread = root.transactionSync(() =>
    entriesOf(from, bootNumber(), (entry) => {
      const store = stores.get(entry.table);
      if (!store || !isSound(entry)) wrong++;
      else {
        store.putSync(entry.key, entry.value);
        read++;
      }
    }),
  );
  // Ends at once: no write is under way, and the transaction was synced.
  void root.close();
  return { read, lost: unread + wrong };
}

function isSound({ table, key, value }: IndexEntry): boolean {
  if (table === 'trees') return isTree(key.toString(), value);
  if (table === 'small') return isSmall(key.toString(), value);
  return !SPACES.some((space) => space === table) || decodeJson(value) !== undefined;
}

/** At any instant one of the two lies at `index`. */
function setAside(index: string, fresh: string): string {
  const folder = join(dirname(index), 'damaged');
  mkdirSync(folder, { recursive: true });
  const aside = join(folder, `${basename(index)}.${new Date().toISOString().replace(/[:.]/g, '-')}`);
  linkSync(index, aside);
  syncFile(fresh);
  rmSync(`${index}-lock`, { force: true });
  renameSync(fresh, index);
  removeWithLock(fresh);
  return aside;
}

/** Copies that killed processes were making. Nobody may have the index open. */
export function removeUnfinishedCopies(index: string): void {
  const start = `${basename(copyOfIndex(index))}.`;
  for (const name of readdirSync(dirname(index)))
    if (name.startsWith(start)) rmSync(join(dirname(index), name), { force: true });
}

function removeWithLock(file: string): void {
  for (const name of [file, `${file}-lock`]) rmSync(name, { force: true });
}
