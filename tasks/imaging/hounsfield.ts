// From stored values to Hounsfield units, exactly as pipeline.md has it: repair of wrapped values, rescale in float32,
// padding to a square, truncation to 16 bits.
import type { StoredImage } from '../dicom/pixels.ts';

/** Row-major Hounsfield units. */
export interface HuImage {
  readonly rows: number;
  readonly columns: number;
  readonly hu: Int16Array;
}

/** The image in HU, padded with 0 HU on both sides of its shorter direction by floor(difference / 2). */
export function toHounsfield(image: StoredImage): HuImage {
  const table = hounsfieldTable(image);
  const { stored, rows, columns } = image;
  const padRows = columns > rows ? (columns - rows) >> 1 : 0;
  const padColumns = rows > columns ? (rows - columns) >> 1 : 0;
  const width = columns + 2 * padColumns;
  const hu = new Int16Array((rows + 2 * padRows) * width);
  for (let row = 0, from = 0; row < rows; row++) {
    let to = (row + padRows) * width + padColumns;
    for (const end = from + columns; from < end; from++, to++) hu[to] = table[stored[from]! & 0xffff]!;
  }
  return { rows: rows + 2 * padRows, columns: width, hu };
}

export type PixelConvention = Pick<
  StoredImage,
  'bitsStored' | 'pixelRepresentation' | 'rescaleSlope' | 'rescaleIntercept'
>;

let cached: { key: string; table: Int16Array } | undefined;

/** HU of each of the 65,536 values that 16 bits can hold, by the bits. A study has one convention, so one table is kept. */
export function hounsfieldTable(image: PixelConvention): Int16Array {
  const { bitsStored, pixelRepresentation, rescaleSlope, rescaleIntercept } = image;
  const key = [bitsStored, pixelRepresentation, rescaleSlope, rescaleIntercept].join(' ');
  if (cached?.key !== key) cached = { key, table: makeTable(image) };
  return cached.table;
}

function makeTable({ bitsStored, pixelRepresentation, rescaleSlope, rescaleIntercept }: PixelConvention): Int16Array {
  const wrapped = isWrapped(bitsStored, pixelRepresentation, rescaleIntercept);
  const slope = Math.fround(rescaleSlope);
  const intercept = Math.fround(wrapped ? -1000 : rescaleIntercept);
  const table = new Int16Array(65_536);
  for (let bits = 0; bits < table.length; bits++) {
    const value = pixelRepresentation === 1 ? (bits << 16) >> 16 : wrapped ? unwrap(bits) : bits;
    // Two roundings to float32, as NumPy does it. The assignment truncates towards zero, modulo 65,536 as C casts do on x86.
    table[bits] = Math.fround(Math.fround(value * slope) + intercept);
  }
  return table;
}

/** Some scanners stored HU modulo 4096 with an intercept near 0 in place of -1024 (fast.ai, "cleaning the data"). */
function isWrapped(bitsStored: number, pixelRepresentation: number, intercept: number): boolean {
  return bitsStored === 12 && pixelRepresentation === 0 && intercept > -100;
}

function unwrap(bits: number): number {
  const value = (bits + 1000) & 0xffff;
  return value >= 4096 ? value - 4096 : value;
}
