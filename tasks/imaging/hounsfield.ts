// From stored values to Hounsfield units, exactly as pipeline.md has it: repair of wrapped values, rescale in float32,
// truncation to 16 bits; and straight on to the 8-bit planes that pictures are made of, padded to a square.
//
// MONOCHROME1 changes nothing here: it asks a display to show the lowest value as white (PS3.3, C.7.6.3.1.2), after windowing.
// Slope and intercept give Hounsfield units either way, and it is those that the windows are of: blood stays bright.
import { endianness } from 'node:os';
import type { PixelConvention, StoredImage, StoredPixels } from '../dicom/pixels.ts';
import type { ByteTable } from './windows.ts';

/** Channels of one slice, row-major, all of rows x columns. */
export interface Planes {
  readonly rows: number;
  readonly columns: number;
  readonly planes: readonly Uint8Array[];
}

/**
 * The slice in 8 bits, a plane for each table of `windows.ts`. A table from HU and the one from stored values become one,
 * so that a pixel is looked up once a plane. Padded with 0 HU on both sides of the shorter direction by
 * floor(difference / 2).
 */
export function toPlanes(image: StoredImage, fromHu: readonly ByteTable[]): Planes {
  const padRows = image.columns > image.rows ? (image.columns - image.rows) >> 1 : 0;
  const padColumns = image.rows > image.columns ? (image.rows - image.columns) >> 1 : 0;
  return {
    rows: image.rows + 2 * padRows,
    columns: image.columns + 2 * padColumns,
    planes: tablesFor(image, fromHu).map((table, k) => fillPlane(image, table, fromHu[k]![0]!, padRows, padColumns)),
  };
}

function fillPlane(image: StoredImage, table: ByteTable, pad: number, padRows: number, padColumns: number): Uint8Array {
  const { stored, rows, columns } = image;
  const width = columns + 2 * padColumns;
  const plane = new Uint8Array((rows + 2 * padRows) * width);
  if (pad !== 0 && padRows + padColumns > 0) plane.fill(pad);
  // Without columns added, all rows are one.
  const [lines, length] = padColumns === 0 ? [1, rows * columns] : [rows, columns];
  for (let line = 0; line < lines; line++) {
    const to = (line + padRows) * width + padColumns;
    if (LITTLE_ENDIAN && length % 4 === 0 && to % 4 === 0) fillPacked(stored, line * length, length, table, plane, to);
    else for (let k = 0; k < length; k++) plane[to + k] = table[stored[line * length + k]! & 0xffff]!;
  }
  return plane;
}

const LITTLE_ENDIAN = endianness() === 'LE';

/** Four pixels a store, in half the time. `count` and `to` are multiples of four, and the plane begins at a word. */
function fillPacked(
  stored: StoredPixels,
  from: number,
  count: number,
  table: ByteTable,
  plane: Uint8Array,
  to: number,
): void {
  const words = new Int32Array(plane.buffer, to, count >> 2);
  for (let k = 0, at = from; k < words.length; k++, at += 4) {
    words[k] =
      table[stored[at]! & 0xffff]! |
      (table[stored[at + 1]! & 0xffff]! << 8) |
      (table[stored[at + 2]! & 0xffff]! << 16) |
      (table[stored[at + 3]! & 0xffff]! << 24);
  }
}

/** A set has a handful of conventions; with some slopes of its own a scanner may add more. */
const MOST_CACHED = 16;
let cachedFor: readonly ByteTable[] | undefined;
const cached = new Map<string, readonly ByteTable[]>();

/** From the bits of a stored value to 8 bits, a table for each of `fromHu`. */
function tablesFor(image: PixelConvention, fromHu: readonly ByteTable[]): readonly ByteTable[] {
  const { bitsStored, highBit, pixelRepresentation, rescaleSlope, rescaleIntercept, padding } = image;
  const key = [bitsStored, highBit, pixelRepresentation, rescaleSlope, rescaleIntercept, padding].join(' ');
  if (cachedFor !== fromHu || (cached.size >= MOST_CACHED && !cached.has(key))) cached.clear();
  cachedFor = fromHu;
  let tables = cached.get(key);
  if (!tables) {
    const hu = hounsfieldTable(image);
    tables = fromHu.map((table) => chain(hu, table));
    cached.set(key, tables);
  }
  return tables;
}

function chain(hu: Int16Array, table: ByteTable): ByteTable {
  const both = new Uint8Array(hu.length);
  for (let bits = 0; bits < both.length; bits++) both[bits] = table[hu[bits]! & 0xffff]!;
  return both;
}

const AIR_HU = -1000;

/** HU of each of the 65,536 values that 16 bits can hold, by the bits. */
export function hounsfieldTable(image: PixelConvention): Int16Array {
  const { bitsStored, pixelRepresentation, rescaleSlope, rescaleIntercept } = image;
  const wrapped = isWrapped(bitsStored, pixelRepresentation, rescaleIntercept);
  const slope = Math.fround(rescaleSlope);
  const intercept = Math.fround(wrapped ? -1000 : rescaleIntercept);
  const toValue = valueFromBits(image);
  const table = new Int16Array(65_536);
  for (let bits = 0; bits < table.length; bits++) {
    const value = wrapped ? unwrap(toValue(bits)) : toValue(bits);
    // Two roundings to float32, as NumPy does it. The assignment truncates towards zero, modulo 65,536 as C casts do on x86.
    table[bits] = Math.fround(Math.fround(value * slope) + intercept);
  }
  padWithAir(table, image);
  return table;
}

/**
 * The stored value of 16 bits. Signed values of fewer bits are sign-extended, since the bits above are nobody's (PS3.5, 8.1.1);
 * unsigned ones keep those bits, as the reference does. Values that do not end at bit 0 are moved there.
 */
function valueFromBits({ bitsStored, highBit, pixelRepresentation }: PixelConvention): (bits: number) => number {
  const lowBit = Math.max((highBit ?? bitsStored - 1) + 1 - bitsStored, 0);
  if (pixelRepresentation !== 1) return (bits) => bits >>> lowBit;
  const above = Math.min(Math.max(32 - lowBit - bitsStored, 0), 31);
  return (bits) => (bits << above) >> (above + lowBit);
}

/** Padding is no tissue: a value declared as such is air, unless it is less than that already. */
function padWithAir(table: Int16Array, { padding, pixelRepresentation }: PixelConvention): void {
  if (!padding) return;
  const [a, b] = padding.map((bits) => (pixelRepresentation === 1 ? (bits << 16) >> 16 : bits)) as [number, number];
  for (let value = Math.min(a, b); value <= Math.max(a, b); value++) {
    table[value & 0xffff] = Math.min(table[value & 0xffff]!, AIR_HU);
  }
}

/** Some scanners stored HU modulo 4096 with an intercept near 0 in place of -1024 (fast.ai, "cleaning the data"). */
function isWrapped(bitsStored: number, pixelRepresentation: number, intercept: number): boolean {
  return bitsStored === 12 && pixelRepresentation === 0 && intercept > -100;
}

function unwrap(bits: number): number {
  const value = (bits + 1000) & 0xffff;
  return value >= 4096 ? value - 4096 : value;
}
