// Reads an image's stored pixel values, together with what it takes to turn them into Hounsfield units. What is not compressed
// costs a read and at most one move of the bytes; a codec is loaded when the first file needs it.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { codecOf, loadCodec } from './codecs/codec.ts';
import type { CodecName, Decode } from './codecs/frame.ts';
import { findFragments, joinFragments } from './fragments.ts';
import { type Header, MOST_FILE_BYTES, parseHeader, tooLarge } from './header.ts';
import { describeImage } from './image.ts';
import { TRANSFER_SYNTAXES } from './syntax.ts';
import { isZero, ZERO_FILLED } from './zeros.ts';

export type StoredPixels = Uint8Array | Int8Array | Uint16Array | Int16Array;

/** How the bits of a stored value stand for Hounsfield units. */
export interface PixelConvention {
  readonly bitsStored: number;
  /** The highest bit of the value; `bitsStored - 1` where absent. */
  readonly highBit?: number | null;
  /** 0 unsigned, 1 two's complement. */
  readonly pixelRepresentation: number;
  /** 1 and 0 where the file has none. */
  readonly rescaleSlope: number;
  readonly rescaleIntercept: number;
  /** The bits of the values, first and last, that mean "no image here"; absent where the file declares none. */
  readonly padding?: readonly [first: number, last: number] | null;
}

export interface StoredImage extends PixelConvention {
  readonly rows: number;
  readonly columns: number;
  /** Row-major; a view that is valid until the next call of `readImage`. What was compressed comes unsigned, by its bits. */
  readonly stored: StoredPixels;
  readonly windowCenter: number | null;
  readonly windowWidth: number | null;
}

/** An image whose pixels cannot be had; the pipeline shows it as all zero. */
export interface BrokenImage {
  readonly reason: string;
}

let fileBuffer = Buffer.alloc(0);

/** Rejects only where the file cannot be opened or read at all. One call at a time in a thread. */
export async function readImage(path: string): Promise<StoredImage | BrokenImage> {
  const bytes = readWhole(path);
  if ('reason' in bytes) return bytes;
  const image = imageOf(bytes);
  if (!('needs' in image)) return image;
  await loadCodec(image.needs);
  return readImage(path); // The buffer may have been used for another file meanwhile.
}

/** The image of a whole file, whose bytes it may move; or the codec that it needs and that is not loaded yet. */
export function imageOf(bytes: Uint8Array): StoredImage | BrokenImage | { readonly needs: CodecName } {
  const header = parseHeader(bytes, bytes.length);
  if ('reason' in header) return header;
  const { row, problem } = describeImage('', header);
  if (!row || problem) return { reason: problem?.reason ?? 'it is no image' };
  const { codec, bigEndian } = TRANSFER_SYNTAXES.get(header.transferSyntax)!;
  const decode = codec && codecOf(codec);
  if (codec && !decode) return { needs: codec };
  const padding = paddingOf(header); // Before the pixels, which are moved over the header.
  const stored = decode
    ? decodePixels(decode, header, row)
    : pixelView(header.bytes, header.pixels!.offset, row.Rows * row.Columns, row, bigEndian === true);
  if ('reason' in stored) return stored;
  if (isZero(stored)) return { reason: ZERO_FILLED };
  return {
    rows: row.Rows,
    columns: row.Columns,
    stored,
    bitsStored: row.BitsStored,
    highBit: row.HighBit,
    pixelRepresentation: row.PixelRepresentation,
    rescaleSlope: row.RescaleSlope ?? 1,
    rescaleIntercept: row.RescaleIntercept ?? 0,
    padding,
    windowCenter: row.WindowCenter,
    windowWidth: row.WindowWidth,
  };
}

/** PixelPaddingValue and PixelPaddingRangeLimit, by their bits: they are signed where the pixels are. */
function paddingOf({ dataSet }: Header): readonly [number, number] | null {
  const first = dataSet.uint16('x00280120');
  return first === undefined ? null : [first, dataSet.uint16('x00280121') ?? first];
}

interface Layout {
  readonly Rows: number;
  readonly Columns: number;
  readonly BitsAllocated: number;
  readonly PixelRepresentation: number;
}

function decodePixels(decode: Decode, { bytes, pixels, fileBytes }: Header, row: Layout): StoredPixels | BrokenImage {
  const fragments = findFragments(bytes, pixels!.offset, fileBytes);
  if ('reason' in fragments) return fragments;
  const frame = { rows: row.Rows, columns: row.Columns, bitsAllocated: row.BitsAllocated as 8 | 16 };
  try {
    return decode(joinFragments(bytes, fragments), frame);
  } catch (error) {
    return { reason: `its pixels cannot be decompressed: ${(error as Error).message}` };
  }
}

function pixelView(
  bytes: Uint8Array,
  offset: number,
  count: number,
  { BitsAllocated, PixelRepresentation }: Layout,
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
  const { buffer, byteOffset } = bytes;
  if (bigEndian !== (endianness() === 'BE')) Buffer.from(buffer, byteOffset, 2 * count).swap16();
  return signed ? new Int16Array(buffer, byteOffset, count) : new Uint16Array(buffer, byteOffset, count);
}

/** One buffer for all files of a thread: half a megabyte a file would keep the collector busy. */
function readWhole(path: string): Buffer | BrokenImage {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size > MOST_FILE_BYTES) return tooLarge(size);
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
