// JSON values as they lie in the index: a checksum and the text. A wrong byte may leave JSON that says something else.
import { crc32 } from 'node:zlib';

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
