// Values as they lie in the index. JSON: a checksum and the text, for a wrong byte may leave JSON that says something else.
// A small file: a byte that says whether it is executable, and its bytes; its key is their digest.
import { crc32 } from 'node:zlib';
import { executableDigest, sha256 } from '../hash/digest.ts';
import type { Digest } from '../types.ts';

const SUM = 4;

export function encodeJson(value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value));
  const sum = Buffer.alloc(SUM);
  sum.writeUInt32LE(crc32(text));
  return Buffer.concat([sum, text]);
}

/** Undefined for what `encodeJson` never gave. */
export function decodeJson(bytes: Buffer): unknown {
  const isWhole = bytes.length > SUM && bytes.readUInt32LE(0) === crc32(bytes.subarray(SUM));
  return isWhole ? JSON.parse(bytes.toString('utf8', SUM)) : undefined;
}

export interface SmallFile {
  readonly bytes: Uint8Array;
  readonly executable: boolean;
}

export function encodeSmall({ bytes, executable }: SmallFile): Buffer {
  return Buffer.concat([Buffer.of(executable ? 1 : 0), bytes]);
}

export function decodeSmall(value: Buffer): SmallFile {
  return { bytes: value.subarray(1), executable: value[0] === 1 };
}

export function smallDigest({ bytes, executable }: SmallFile): Digest {
  return executable ? executableDigest(sha256(bytes)) : sha256(bytes);
}

/** Is it what its digest says? */
export function isSmall(digest: string, value: Buffer): boolean {
  return smallDigest(decodeSmall(value)) === digest;
}
