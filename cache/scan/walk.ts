// Looks at a folder: one readdir and one lstat a file, compared with the packed listing of last time; only what changed
// is hashed, and only chunks that changed are written. A generator, so that one walk can run to its end at once (scan)
// or in slices between other work (warm). Links are followed: a link counts as what it points to.
import { readdirSync, realpathSync, type Stats } from 'node:fs';
import type { Database } from '../db/database.ts';
import { Unhashable } from '../errors.ts';
import {
  copyItem,
  emptyListing,
  fileItem,
  folderItem,
  type Item,
  isFresh,
  type Listing,
  sameItem,
  setItem,
} from '../hash/listing.ts';
import { isFile, isFolder, isStamped, kindOf, lstatOrNull, type Stat, stampOf, statOrNull } from '../host/stat.ts';
import type { Counters } from '../types.ts';
import type { Restatted } from './parallelStat.ts';
import type { Folder } from './pathMemo.ts';
import { loadPacked, restamp, storeFolder, unpackFolder, unpackLater } from './statCache.ts';

export interface Walk {
  readonly database: Database;
  readonly counters: Counters;
  /** A folder that was looked at in this process and not forgotten. */
  known(path: string): Folder | null;
  /** Every folder that was looked at, the inner ones first. */
  seen(path: string, folder: Folder): void;
  /** Digest and flags of a file the stat cache cannot answer for; null: not now (the walk then goes on, and ends in null). */
  digest(path: string, stat: Stat): { readonly digest: string; readonly flags: number; readonly stat: Stat } | null;
}

/** A slice of this many files takes some 10 ms. */
const SLICE = 2000;

/** A pause. With a folder's path the walk would like to know which of its files are as they were, and does without. */
export type Walking<T> = Generator<string | undefined, T, Restatted | undefined>;

/** A folder's own stat, and the clock before it was taken. */
export interface Seen {
  readonly stat: Stat;
  readonly takenMs: number;
}

/**
 * `chain` holds the identities (`folderId`) of this folder and those above it, by which a loop of links is found.
 * Null when a digest was not to be had. Throws on a dangling link, a loop of links, a socket or pipe, and what may not
 * be read.
 */
export function* walkFolder(walk: Walk, path: string, own: Seen, chain: readonly string[]): Walking<Folder | null> {
  const known = walk.known(path);
  if (known) return known;
  const { database, counters } = walk;
  const checked = yield path;
  const packed = checked?.packed ?? loadPacked(database, path);
  const sameNames = packed !== null && isStamped(packed.stamp, own.stat, database.boot);
  if (sameNames && checked && !checked.fresh.includes(0)) {
    // The common case of a big folder, told without unpacking it.
    counters.stats += checked.fresh.length;
    const same = unpackLater(packed, database.boot);
    walk.seen(path, same);
    return same;
  }
  const old = packed && unpackFolder(packed, database.boot);
  const names = sameNames && old ? old.listing.names : readFolder(path);
  if (names !== old?.listing.names) counters.folders++;
  const stamp = stampOf(own.stat, own.takenMs, database.boot);
  const before = old?.listing.names ?? [];
  const kept = new Uint8Array(before.length);
  const changed: Item[] = [];
  let complete = true;
  let keptCount = 0;
  let cursor = 0;
  for (let index = 0; index < names.length; index++) {
    if (index % SLICE === SLICE - 1) yield;
    const name = names[index]!;
    const inner = `${path}/${name}`;
    while (cursor < before.length && before[cursor]! < name) cursor++;
    const at = before[cursor] === name ? cursor : -1;
    walk.counters.stats++;
    if (checked?.fresh[at]) {
      kept[at] = 1;
      keptCount++;
      continue;
    }
    const takenMs = Date.now();
    const stat = statFollowing(inner);
    if (!stat) continue; // It vanished between readdir and here.
    if (at >= 0 && isFile(stat) && isFresh(old!.listing, at, stat)) {
      kept[at] = 1;
      keptCount++;
      continue;
    }
    let item: Item | null;
    if (isFolder(stat)) {
      item = yield* walkInside(walk, inner, name, { stat, takenMs }, chain);
    } else {
      item = scanFile(walk, inner, name, stat);
    }
    if (!item) complete = false;
    else if (at >= 0 && sameItem(old!.listing, at, item)) {
      kept[at] = 1;
      keptCount++;
    } else changed.push(item);
  }
  if (!complete) return null;
  const same = old !== null && changed.length === 0 && keptCount === old.listing.names.length;
  let folder: Folder;
  if (same) {
    folder = old;
    if (!sameNames) restamp(database, path, stamp, old);
  } else folder = storeFolder(database, path, merge(old?.listing ?? null, kept, keptCount, changed), stamp, old);
  walk.seen(path, folder);
  return folder;
}

function* walkInside(
  walk: Walk,
  path: string,
  name: string,
  own: Seen,
  chain: readonly string[],
): Walking<Item | null> {
  const id = folderId(own.stat);
  if (chain.includes(id)) {
    throw new Unhashable(
      `${path} leads back to ${realpathSync(path)}, which it lies in: the folder has no end. Remove the link.`,
    );
  }
  const folder = yield* walkFolder(walk, path, own, [...chain, id]);
  return folder && folderItem(name, folder.entry.digest, folder.entry.sizeBytes, folder.entry.files);
}

export function folderId(stat: Stat): string {
  return `${stat.dev}:${stat.ino}`;
}

function scanFile(walk: Walk, path: string, name: string, stat: Stat): Item | null {
  refuseOddFile(path, stat);
  const found = walk.digest(path, stat);
  return found && fileItem(name, found.stat, found.digest, found.flags);
}

export function refuseOddFile(path: string, stat: Stat): void {
  if (isFile(stat)) return;
  throw new Unhashable(
    `${path} is ${kindOf(stat)}: only files and folders have content to hash. Move it out of the folder.`,
  );
}

function readFolder(path: string): string[] {
  try {
    // Node gives them in byte order, which is the order of code units but for characters beyond U+FFFF.
    const names = readdirSync(path);
    return names.every((name, at) => at === 0 || names[at - 1]! < name) ? names : names.sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Unhashable(`cannot read folder ${path}: ${code}. Check that it is there and may be read.`, {
      cause: error,
    });
  }
}

function statFollowing(path: string): Stats | null {
  const stat = lstatOrNull(path);
  if (!stat?.isSymbolicLink()) return stat;
  const target = statOrNull(path);
  if (!target && lstatOrNull(path))
    throw new Unhashable(`${path} is a link to nothing. Remove it, or restore what it points to.`);
  return target;
}

/** The kept lines of the old listing and the changed ones, in order. */
function merge(old: Listing | null, kept: Uint8Array, keptCount: number, changed: Item[]): Listing {
  changed.sort((a, b) => (a.name < b.name ? -1 : 1));
  const merged = emptyListing(keptCount + changed.length);
  let from = 0;
  let next = 0;
  for (let at = 0; at < merged.names.length; at++) {
    while (old && from < kept.length && !kept[from]) from++;
    const item = changed[next];
    if (item && (!old || from >= kept.length || item.name < old.names[from]!)) {
      setItem(merged, at, item);
      next++;
    } else copyItem(old!, from++, merged, at);
  }
  return merged;
}
