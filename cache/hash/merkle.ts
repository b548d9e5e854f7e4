// The Merkle tree of a folder. A folder's sorted lines are cut into chunks at names chosen by the name alone, so that
// one more file in a flat folder of 750,000 changes one chunk of about 256 lines, and two folders that share most of
// their files share most of their chunks. A chunk's digest covers its lines (kind, executable, size, digest, name); a
// folder's digest covers its chunks' digests. Both are stored by digest: `files` and `diff` read nothing else.
//
// A chunk: lines of u8 kind, u16 bytes of name, f64 size, f64 files, 32 bytes digest, name in UTF-8.
// A folder: f64 size, f64 files, then 32 bytes a chunk.

import type { Digest } from '../types.ts';
import { sha256 } from './digest.ts';
import { EXECUTABLE, FOLDER, type Listing } from './listing.ts';

/** A boundary follows a name with probability 1/256; a run without one is cut at 1,024 lines. */
const CUT_MASK = 255;
const MAX_LINES = 1024;
const LINE = 51;
const CHUNK_DOMAIN = Buffer.from('dag chunk 1\n');
const FOLDER_DOMAIN = Buffer.from('dag folder 1\n');

export interface TreeLine {
  readonly name: string;
  readonly folder: boolean;
  readonly executable: boolean;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly files: number;
}

export interface FolderNode {
  readonly sizeBytes: number;
  readonly files: number;
  readonly chunks: readonly Digest[];
}

/** Where chunks end (exclusive), as positions in the listing. */
export function cuts(names: readonly string[]): number[] {
  const ends: number[] = [];
  let start = 0;
  for (let at = 0; at < names.length; at++) {
    if (!isCut(names[at]!) && at - start + 1 < MAX_LINES) continue;
    ends.push(at + 1);
    start = at + 1;
  }
  if (start < names.length) ends.push(names.length);
  return ends;
}

function isCut(name: string): boolean {
  let hash = 0x811c9dc5; // FNV-1a over code units.
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  hash ^= hash >>> 15; // The low bits of FNV alone follow the last letter too closely.
  hash = Math.imul(hash, 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) & CUT_MASK) === 0;
}

export function encodeChunk(listing: Listing, start: number, end: number): Buffer {
  let nameBytes = 0;
  for (let at = start; at < end; at++) nameBytes += Buffer.byteLength(listing.names[at]!);
  const out = Buffer.allocUnsafe((end - start) * LINE + nameBytes);
  let cursor = 0;
  for (let at = start; at < end; at++) {
    const folder = (listing.flags[at]! & FOLDER) !== 0;
    out[cursor] = listing.flags[at]! & (FOLDER | EXECUTABLE);
    out.writeDoubleLE(listing.stats[at * 5]!, cursor + 3);
    out.writeDoubleLE(folder ? listing.stats[at * 5 + 1]! : 1, cursor + 11);
    listing.digests.copy(out, cursor + 19, at * 32, at * 32 + 32);
    const length = out.write(listing.names[at]!, cursor + LINE);
    out.writeUInt16LE(length, cursor + 1);
    cursor += LINE + length;
  }
  return out;
}

export function decodeChunk(chunk: Buffer): TreeLine[] {
  const lines: TreeLine[] = [];
  let cursor = 0;
  while (cursor < chunk.length) {
    const length = chunk.readUInt16LE(cursor + 1);
    lines.push({
      name: chunk.toString('utf8', cursor + LINE, cursor + LINE + length),
      folder: (chunk[cursor]! & FOLDER) !== 0,
      executable: (chunk[cursor]! & EXECUTABLE) !== 0,
      digest: chunk.toString('hex', cursor + 19, cursor + LINE) as Digest,
      sizeBytes: chunk.readDoubleLE(cursor + 3),
      files: chunk.readDoubleLE(cursor + 11),
    });
    cursor += LINE + length;
  }
  return lines;
}

export function chunkDigest(chunk: Buffer): Digest {
  return sha256(Buffer.concat([CHUNK_DOMAIN, chunk]));
}

export function folderDigest(chunks: readonly Digest[]): Digest {
  return sha256(Buffer.concat([FOLDER_DOMAIN, Buffer.from(chunks.join(''), 'hex')]));
}

/** Is it what its digest says, a chunk or a folder? */
export function isTree(digest: string, value: Buffer): boolean {
  return chunkDigest(value) === digest || (isFolderNode(value) && folderDigest(decodeFolder(value).chunks) === digest);
}

export const isFolderNode = (value: Buffer) => value.length >= 16 && value.length % 32 === 16;

export function encodeFolder(node: FolderNode): Buffer {
  const out = Buffer.alloc(16 + node.chunks.length * 32);
  out.writeDoubleLE(node.sizeBytes, 0);
  out.writeDoubleLE(node.files, 8);
  out.write(node.chunks.join(''), 16, 'hex');
  return out;
}

export function decodeFolder(value: Buffer): FolderNode {
  const chunks: Digest[] = [];
  for (let at = 16; at < value.length; at += 32) chunks.push(value.toString('hex', at, at + 32) as Digest);
  return { sizeBytes: value.readDoubleLE(0), files: value.readDoubleLE(8), chunks };
}
