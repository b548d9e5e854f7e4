// Where listings lie in the index: for each folder a head under `d` + path (stamp, size, files, digests of its chunks) and a
// packed listing a chunk under `c` + half of the chunk's digest + path. A folder that gains one file writes its head and
// one or two chunks. Trees go under their digests, written once.
import type { Database } from '../db/database.ts';
import { sha256 } from '../hash/digest.ts';
import {
  emptyListing,
  FOLDER,
  freshDigest,
  type Item,
  isPacked,
  type Listing,
  pack,
  setItem,
  unpack,
} from '../hash/listing.ts';
import {
  chunkDigest,
  cuts,
  decodeFolder,
  encodeChunk,
  encodeFolder,
  folderDigest,
  isFolderNode,
} from '../hash/merkle.ts';
import { STAMP_BYTES, type Stat } from '../host/stat.ts';
import type { Digest, Entry } from '../types.ts';
import type { Folder } from './pathMemo.ts';

/** What the index has of a folder, as it lies there. */
export interface PackedFolder {
  readonly entry: Entry;
  /** The folder's own stat: while it is the same, the names are. */
  readonly stamp: Buffer;
  readonly chunks: readonly Digest[];
  readonly packed: readonly Buffer[];
}

export interface StoredFolder extends Folder {
  readonly stamp: Buffer;
  readonly chunks: readonly Digest[];
}

/** `copy` keeps a chunk, which is good only until it returns. */
export function loadPacked(
  database: Database,
  path: string,
  copy: (chunk: Buffer) => Buffer = Buffer.from,
): PackedFolder | null {
  const head = readHead(database, path);
  if (!head) return null;
  const { stamp, chunks, sizeBytes, files } = head;
  const packed: Buffer[] = [];
  for (const chunk of chunks) {
    const bytes = database.peek('stats', chunkKey(path, chunk));
    if (!bytes || !isPacked(bytes)) return null;
    packed.push(copy(bytes));
  }
  return { entry: { kind: 'folder', digest: folderDigest(chunks), sizeBytes, files }, stamp, chunks, packed };
}

function readHead(database: Database, path: string) {
  const head = database.read('stats', headKey(path));
  const node = head?.subarray(STAMP_BYTES);
  return head && node && isFolderNode(node) ? { stamp: head.subarray(0, STAMP_BYTES), ...decodeFolder(node) } : null;
}

/** How many files are known to lie beneath. */
export function knownFiles(database: Database, path: string): number {
  return readHead(database, path)?.files ?? 0;
}

export function unpackFolder({ packed, ...rest }: PackedFolder, boot: number): StoredFolder | null {
  const listing = unpack(packed, boot);
  return listing && { ...rest, listing };
}

/** For a folder whose names were seen to be those of its chunks: unpacked only where somebody asks for a file in it. */
export function unpackLater({ entry, packed }: PackedFolder, boot: number): Folder {
  let listing: Listing | null = null;
  return {
    entry,
    get listing() {
      listing ??= unpack(packed, boot)!;
      return listing;
    },
  };
}

/** Writes what differs from `old` (what the index has), and makes the tree's nodes known by their digests. */
export function storeFolder(
  database: Database,
  path: string,
  listing: Listing,
  stamp: Buffer,
  old: StoredFolder | null,
): Folder {
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
  const node = encodeFolder({ ...totals, chunks });
  if (!database.has('trees', entry.digest)) database.write('trees', entry.digest, node);
  writeHead(database, path, stamp, node);
  return { entry, listing };
}

/** The listing is what it was, and was seen to be under this stamp. */
export function restamp(database: Database, path: string, stamp: Buffer, { entry, chunks }: StoredFolder): void {
  const { sizeBytes, files } = entry;
  writeHead(database, path, stamp, encodeFolder({ sizeBytes, files, chunks }));
}

function writeHead(database: Database, path: string, stamp: Buffer, node: Buffer): void {
  const head = Buffer.concat([stamp, node]);
  if (!database.read('stats', headKey(path))?.equals(head)) database.write('stats', headKey(path), head);
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
