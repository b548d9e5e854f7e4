// Where listings lie in the index: for each folder a head under `d` + path (size, files, digests of its chunks) and a
// packed listing a chunk under `c` + half of the chunk's digest + path. A folder that gains one file writes its head and
// one or two chunks. Trees go under their digests, written once.
import type { Database } from './database.ts';
import { sha256 } from './digest.ts';
import { emptyListing, FOLDER, freshDigest, type Item, type Listing, pack, setItem, unpack } from './listing.ts';
import type { Folder } from './memo.ts';
import type { Stat } from './stat.ts';
import { chunkDigest, cuts, decodeFolder, encodeChunk, encodeFolder, folderDigest } from './tree.ts';
import type { Digest, Entry } from './types.ts';

/** What `loadFolder` gives besides: the digests of the chunks and their first lines. */
export interface StoredFolder extends Folder {
  readonly chunks: readonly Digest[];
}

export function loadFolder(database: Database, path: string): StoredFolder | null {
  const head = database.read('stats', headKey(path));
  if (!head) return null;
  const { chunks, sizeBytes, files } = decodeFolder(head);
  const packed: Buffer[] = [];
  for (const chunk of chunks) {
    const bytes = database.read('stats', chunkKey(path, chunk));
    if (!bytes) return null;
    packed.push(bytes);
  }
  const entry: Entry = { kind: 'folder', digest: folderDigest(chunks), sizeBytes, files };
  return { entry, listing: unpack(packed, database.boot), chunks };
}

/** Writes what differs from `old` (what `loadFolder` gave), and makes the tree's nodes known by their digests. */
export function storeFolder(
  database: Database,
  path: string,
  listing: Listing,
  old: StoredFolder | null,
): StoredFolder {
  const before = new Map(old?.chunks.map((digest) => [digest, true]));
  const chunks: Digest[] = [];
  let start = 0;
  for (const end of cuts(listing.names)) {
    const tree = encodeChunk(listing, start, end);
    const digest = chunkDigest(tree);
    chunks.push(digest);
    if (!database.has('trees', digest)) database.write('trees', digest, tree);
    const key = chunkKey(path, digest);
    const packed = pack(listing, start, end, database.boot);
    if (!before.has(digest) || !database.read('stats', key)?.equals(packed)) database.write('stats', key, packed);
    before.delete(digest);
    start = end;
  }
  for (const digest of before.keys()) database.write('stats', chunkKey(path, digest), null);
  const totals = totalsOf(listing);
  const entry: Entry = { kind: 'folder', digest: folderDigest(chunks), ...totals };
  const head = encodeFolder({ ...totals, chunks });
  if (!database.has('trees', entry.digest)) database.write('trees', entry.digest, head);
  if (!database.read('stats', headKey(path))?.equals(head)) database.write('stats', headKey(path), head);
  return { entry, listing, chunks };
}

function totalsOf(listing: Listing): { sizeBytes: number; files: number } {
  let sizeBytes = 0;
  let files = 0;
  for (let at = 0; at < listing.names.length; at++) {
    sizeBytes += listing.stats[at * 5]!;
    files += listing.flags[at]! & FOLDER ? listing.stats[at * 5 + 1]! : 1;
  }
  return { sizeBytes, files };
}

/** A file outside any folder that was looked at is a listing of one line, without its name. */
export function freshFile(database: Database, path: string, stat: Stat): Digest | null {
  const packed = database.peek('stats', fileKey(path));
  return packed && (freshDigest(packed, stat, database.boot) as Digest | null);
}

export function storeFile(database: Database, path: string, item: Item): void {
  const listing = emptyListing(1);
  setItem(listing, 0, item);
  database.write('stats', fileKey(path), pack(listing, 0, 1, database.boot));
}

function fileKey(path: string): string {
  return `f${short(path)}`;
}

function headKey(path: string): string {
  return `d${short(path)}`;
}

function chunkKey(path: string, chunk: Digest): string {
  return `c${chunk.slice(0, 32)}${short(path)}`;
}

/** LMDB's keys end at 1,978 bytes, a path may have 4,096. */
function short(path: string): string {
  return path.length < 500 ? path : `#${sha256(path)}`;
}
