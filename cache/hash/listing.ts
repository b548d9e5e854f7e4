// The contents of one folder (not of those beneath) as packed columns, sorted by code unit of the names: what lies
// there, its digests, and the stats they were taken at. Kept in memory as it lies in the index, so that a folder of
// a million files is a few arrays and not a million objects.
//
// A packed chunk: u32 count, u32 bytes of names, u32 boot, u32 nothing, then columns: 5 × f64 stats (size, mtime, ctime,
// inode, device; for a folder: bytes, files, 0, 0, 0), 32 bytes digest, 1 byte flags, then the names in UTF-8 with a
// zero byte between. Names come last because they have no fixed width; f64 first because views must be aligned.
import type { Stat } from '../host/stat.ts';

export const FOLDER = 1;
export const EXECUTABLE = 2;
/** Hashed in the clock tick of its last write: not to be trusted next time. */
export const RACY = 4;
/** Hashed within minutes of its last write: not to be trusted after the next boot. */
export const YOUNG = 8;
const WIDTH = 5;
const HEADER = 16;

export interface Listing {
  readonly names: string[];
  readonly stats: Float64Array;
  readonly digests: Buffer;
  readonly flags: Uint8Array;
}

/** One line of a listing, on its way in or out. */
export interface Item {
  readonly name: string;
  readonly flags: number;
  readonly digest: string;
  readonly size: number;
  /** Folders: the number of files beneath. Files: mtime. */
  readonly second: number;
  readonly ctimeMs: number;
  readonly ino: number;
  readonly dev: number;
}

export function emptyListing(count: number): Listing {
  return {
    names: new Array<string>(count),
    stats: new Float64Array(count * WIDTH),
    digests: Buffer.alloc(count * 32),
    flags: new Uint8Array(count),
  };
}

export function fileItem(name: string, stat: Stat, digest: string, flags: number): Item {
  return {
    name,
    flags,
    digest,
    size: stat.size,
    second: stat.mtimeMs,
    ctimeMs: stat.ctimeMs,
    ino: stat.ino,
    dev: stat.dev,
  };
}

export function folderItem(name: string, digest: string, sizeBytes: number, files: number): Item {
  return { name, flags: FOLDER, digest, size: sizeBytes, second: files, ctimeMs: 0, ino: 0, dev: 0 };
}

export function digestAt(listing: Listing, at: number): string {
  return listing.digests.toString('hex', at * 32, at * 32 + 32);
}

export function setItem(listing: Listing, at: number, item: Item): void {
  listing.names[at] = item.name;
  listing.flags[at] = item.flags;
  listing.digests.write(item.digest, at * 32, 'hex');
  listing.stats.set([item.size, item.second, item.ctimeMs, item.ino, item.dev], at * WIDTH);
}

export function copyItem(from: Listing, source: number, to: Listing, at: number): void {
  to.names[at] = from.names[source]!;
  to.flags[at] = from.flags[source]!;
  for (let k = 0; k < 32; k++) to.digests[at * 32 + k] = from.digests[source * 32 + k]!;
  for (let k = 0; k < WIDTH; k++) to.stats[at * WIDTH + k] = from.stats[source * WIDTH + k]!;
}

export function sameItem(listing: Listing, at: number, item: Item): boolean {
  const base = at * WIDTH;
  const { stats } = listing;
  return (
    listing.flags[at] === item.flags &&
    stats[base] === item.size &&
    stats[base + 1] === item.second &&
    stats[base + 2] === item.ctimeMs &&
    stats[base + 3] === item.ino &&
    stats[base + 4] === item.dev &&
    digestAt(listing, at) === item.digest
  );
}

/** Does the line stand for a file with this very stat, hashed at a safe moment? The hot comparison of a no-op. */
export function isFresh(listing: Listing, at: number, stat: Stat): boolean {
  const base = at * WIDTH;
  const { stats } = listing;
  return (
    (listing.flags[at]! & (FOLDER | RACY)) === 0 &&
    stats[base + 1] === stat.mtimeMs &&
    stats[base + 2] === stat.ctimeMs &&
    stats[base] === stat.size &&
    stats[base + 3] === stat.ino &&
    stats[base + 4] === stat.dev
  );
}

/**
 * `isFresh` for a packed chunk of one line, without unpacking it: 10,000 separate files should cost their lstats.
 * Gives the digest, or null.
 */
export function freshDigest(packed: Buffer, stat: Stat, boot: number): string | null {
  if (!isPacked(packed) || packed.length < HEADER + WIDTH * 8 + 33) return null;
  const flags = packed[HEADER + WIDTH * 8 + 32]!;
  if (flags & (FOLDER | RACY)) return null;
  if (flags & YOUNG && packed.readUInt32LE(8) !== boot) return null;
  if (packed.readDoubleLE(HEADER) !== stat.size || packed.readDoubleLE(HEADER + 8) !== stat.mtimeMs) return null;
  if (packed.readDoubleLE(HEADER + 16) !== stat.ctimeMs || packed.readDoubleLE(HEADER + 24) !== stat.ino) return null;
  if (packed.readDoubleLE(HEADER + 32) !== stat.dev) return null;
  return packed.toString('hex', HEADER + WIDTH * 8, HEADER + WIDTH * 8 + 32);
}

/** Position of a name, or -1. */
export function find(listing: Listing, name: string): number {
  let low = 0;
  let high = listing.names.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const here = listing.names[middle]!;
    if (here === name) return middle;
    if (here < name) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Lines `start` to `end` (exclusive) as one packed chunk, written in this boot. */
export function pack(listing: Listing, start: number, end: number, boot: number): Buffer {
  const count = end - start;
  const names = Buffer.from(listing.names.slice(start, end).join('\0'));
  const packed = Buffer.alloc(HEADER + count * (WIDTH * 8 + 33) + names.length);
  packed.writeUInt32LE(count, 0);
  packed.writeUInt32LE(names.length, 4);
  packed.writeUInt32LE(boot, 8);
  let at = HEADER;
  const put = (part: Uint8Array) => {
    packed.set(part, at);
    at += part.length;
  };
  put(bytesOf(listing.stats.subarray(start * WIDTH, end * WIDTH)));
  put(listing.digests.subarray(start * 32, end * 32));
  put(listing.flags.subarray(start, end));
  put(names);
  return packed;
}

/** Joins packed chunks into one listing; young lines of an earlier boot become racy. Null where names are missing. */
export function unpack(chunks: readonly Buffer[], boot: number): Listing | null {
  const total = chunks.reduce((sum, chunk) => sum + chunk.readUInt32LE(0), 0);
  const listing = emptyListing(total);
  const stats = bytesOf(listing.stats);
  let first = 0;
  for (const chunk of chunks) {
    const count = chunk.readUInt32LE(0);
    const digests = HEADER + count * WIDTH * 8;
    const flags = digests + count * 32;
    const names = flags + count;
    stats.set(chunk.subarray(HEADER, digests), first * WIDTH * 8);
    listing.digests.set(chunk.subarray(digests, flags), first * 32);
    listing.flags.set(chunk.subarray(flags, names), first);
    if (chunk.readUInt32LE(8) !== boot) distrustYoung(listing.flags, first, first + count);
    if (count > 0) {
      const split = chunk.toString('utf8', names).split('\0');
      if (split.length !== count) return null;
      for (let at = 0; at < count; at++) listing.names[first + at] = split[at]!;
    }
    first += count;
  }
  return listing;
}

/** Is it as long as it says? */
export function isPacked(chunk: Buffer): boolean {
  return (
    chunk.length >= HEADER && chunk.length === HEADER + chunk.readUInt32LE(0) * (WIDTH * 8 + 33) + chunk.readUInt32LE(4)
  );
}

/** The names in packed chunks, with a zero byte between. */
function packedNames(chunks: readonly Buffer[]): string {
  return chunks.map((chunk) => chunk.toString('utf8', chunk.length - chunk.readUInt32LE(4))).join('\0');
}

/** Names of the folders in a packed chunk. */
export function packedFolders(chunk: Buffer): string[] {
  const count = chunk.readUInt32LE(0);
  const flags = chunk.subarray(HEADER + count * (WIDTH * 8 + 32), HEADER + count * (WIDTH * 8 + 33));
  if (!flags.some((flag) => flag & FOLDER)) return [];
  const names = packedNames([chunk]).split('\0');
  return names.filter((_, at) => flags[at]! & FOLDER);
}

function distrustYoung(flags: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) if (flags[at]! & YOUNG) flags[at]! |= RACY;
}

function bytesOf(floats: Float64Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}
