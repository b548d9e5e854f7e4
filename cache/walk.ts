// Looks at a folder: one readdir and one lstat a file, compared with the packed listing of last time; only what changed
// is hashed, and only chunks that changed are written. A generator, so that one walk can run to its end at once (look)
// or in slices between other work (warm). Links are followed: a link counts as what it points to.
import { readdirSync, realpathSync, type Stats } from 'node:fs';
import type { Counters } from './counters.ts';
import type { Database } from './database.ts';
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
} from './listing.ts';
import { loadFolder, storeFolder } from './manifest.ts';
import type { Folder } from './memo.ts';
import { isFile, isFolder, kindOf, lstatOrNull, type Stat, statOrNull } from './stat.ts';
import { MANY_NAMES, type StatTable, statAt } from './statThreads.ts';

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

/** A pause. With a request the walk would like the stats of all these names, and does without when it gets none. */
export type Pause = { readonly folder: string; readonly names: readonly string[] } | undefined;
export type Walking<T> = Generator<Pause, T, StatTable | undefined>;

/**
 * `chain` holds the identities (`folderId`) of this folder and those above it, by which a loop of links is found.
 * Null when a digest was not to be had. Throws on a dangling link, a loop of links, a socket or pipe, and what may not
 * be read.
 */
export function* walkFolder(walk: Walk, path: string, chain: readonly string[]): Walking<Folder | null> {
  const known = walk.known(path);
  if (known) return known;
  const old = loadFolder(walk.database, path);
  const names = readFolder(path);
  walk.counters.folders++;
  const table = names.length >= MANY_NAMES ? yield { folder: path, names } : undefined;
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
    const stat = (table && statAt(table, index)) ?? statFollowing(inner);
    walk.counters.stats++;
    if (!stat) continue; // It vanished between readdir and here.
    while (cursor < before.length && before[cursor]! < name) cursor++;
    const at = before[cursor] === name ? cursor : -1;
    if (at >= 0 && isFile(stat) && isFresh(old!.listing, at, stat)) {
      kept[at] = 1;
      keptCount++;
      continue;
    }
    let item: Item | null;
    if (isFolder(stat)) {
      item = yield* lookInside(walk, inner, name, stat, chain);
    } else {
      item = lookAtFile(walk, inner, name, stat);
    }
    if (!item) complete = false;
    else if (at >= 0 && sameItem(old!.listing, at, item)) {
      kept[at] = 1;
      keptCount++;
    } else changed.push(item);
  }
  if (!complete) return null;
  const same = old !== null && changed.length === 0 && keptCount === old.listing.names.length;
  const folder = same
    ? old
    : storeFolder(walk.database, path, merge(old?.listing ?? null, kept, keptCount, changed), old);
  walk.seen(path, folder);
  return folder;
}

function* lookInside(
  walk: Walk,
  path: string,
  name: string,
  stat: Stat,
  chain: readonly string[],
): Walking<Item | null> {
  const id = folderId(stat);
  if (chain.includes(id)) {
    throw new Error(
      `${path} leads back to ${realpathSync(path)}, which it lies in: the folder has no end. Remove the link.`,
    );
  }
  const folder = yield* walkFolder(walk, path, [...chain, id]);
  return folder && folderItem(name, folder.entry.digest, folder.entry.sizeBytes, folder.entry.files);
}

export function folderId(stat: Stat): string {
  return `${stat.dev}:${stat.ino}`;
}

function lookAtFile(walk: Walk, path: string, name: string, stat: Stat): Item | null {
  refuseOddFile(path, stat);
  const found = walk.digest(path, stat);
  return found && fileItem(name, found.stat, found.digest, found.flags);
}

export function refuseOddFile(path: string, stat: Stat): void {
  if (isFile(stat)) return;
  throw new Error(
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
    throw new Error(`cannot read folder ${path}: ${code}. Check that it is there and may be read.`, { cause: error });
  }
}

function statFollowing(path: string): Stats | null {
  const stat = lstatOrNull(path);
  if (!stat?.isSymbolicLink()) return stat;
  const target = statOrNull(path);
  if (!target && lstatOrNull(path))
    throw new Error(`${path} is a link to nothing. Remove it, or restore what it points to.`);
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
