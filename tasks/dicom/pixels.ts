// Reads an image's stored pixel values, uncompressed, together with what it takes to turn them into Hounsfield units.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { parseHeader } from './header.ts';
import { describeImage, READABLE_SYNTAXES } from './image.ts';

export type StoredPixels = Uint8Array | Int8Array | Uint16Array | Int16Array;

export interface StoredImage {
  readonly rows: number;
  readonly columns: number;
  /** Row-major; a view that is valid until the next call of `readImage`. */
  readonly stored: StoredPixels;
  readonly bitsStored: number;
  /** 0 unsigned, 1 two's complement. */
  readonly pixelRepresentation: number;
  /** 1 and 0 where the file has none. */
  readonly rescaleSlope: number;
  readonly rescaleIntercept: number;
}

/** An image whose pixels cannot be had; the pipeline shows it as all zero. */
export interface BrokenImage {
  readonly reason: string;
}

let fileBuffer = Buffer.alloc(0);

/** Throws only where the file cannot be opened or read at all. */
export function readImage(path: string): StoredImage | BrokenImage {
  const bytes = readWhole(path);
  const header = parseHeader(bytes, bytes.length);
  if ('reason' in header) return header;
  const { row, problem } = describeImage('', header);
  if (!row || problem) return { reason: problem?.reason ?? 'it is no image' };
  const bigEndian = READABLE_SYNTAXES.get(header.transferSyntax)!.bigEndian;
  return {
    rows: row.Rows,
    columns: row.Columns,
    stored: pixelView(bytes, header.pixels!.offset, row.Rows * row.Columns, row, bigEndian),
    bitsStored: row.BitsStored,
    pixelRepresentation: row.PixelRepresentation,
    rescaleSlope: row.RescaleSlope ?? 1,
    rescaleIntercept: row.RescaleIntercept ?? 0,
  };
}

function pixelView(
  bytes: Buffer,
  offset: number,
  count: number,
  { BitsAllocated, PixelRepresentation }: { BitsAllocated: number; PixelRepresentation: number },
  bigEndian: boolean,
): StoredPixels {
  const signed = PixelRepresentation === 1;
  if (BitsAllocated === 8) {
    const start = bytes.byteOffset + offset;
    return signed ? new Int8Array(bytes.buffer, start, count) : new Uint8Array(bytes.buffer, start, count);
  }
  // Moved to the buffer's even start, over the header: a typed array of 16 bits must be aligned, and a header may end
  // anywhere.
  bytes.copyWithin(0, offset, offset + 2 * count);
  if (bigEndian !== (endianness() === 'BE')) bytes.subarray(0, 2 * count).swap16();
  return signed ? new Int16Array(bytes.buffer, 0, count) : new Uint16Array(bytes.buffer, 0, count);
}

/** One buffer for all files of a thread: half a megabyte a file would keep the collector busy. */
function readWhole(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (fileBuffer.length < size) fileBuffer = Buffer.from(new ArrayBuffer(size + (size >> 2)));
    let read = 0;
    while (read < size) {
      const got = readSync(file, fileBuffer, read, size - read, read);
      if (got === 0) break;
      read += got;
    }
    return fileBuffer.subarray(0, read);
  } finally {
    closeSync(file);
  }
}
