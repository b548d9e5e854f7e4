// JPEG of 12 bits, sequential, Huffman-coded (ISO 10918-1, process 4), one component. Ours, because no package reads it by
// itself. Its inverse cosine transform is libjpeg's jidctint (Loeffler, Ligtenberg and Moschytz 1989, 13 fractional bits), so
// that the samples equal those of dcmtk and of all who build on libjpeg.
import { BitReader } from './jpegBits.ts';
import { type HuffmanTable, readJpegScan } from './jpegStream.ts';

const CENTRE = 2048;
const LARGEST = 4095;

export function decodeJpeg12(stream: Uint8Array): Uint16Array {
  const { header, quantizers, dc, ac, restartInterval, start } = readJpegScan(stream);
  const quantizer = quantizers[header.quantization];
  if (!dc || !ac || !quantizer) throw new Error('its JPEG tables are missing');
  const { rows, columns } = header;
  const bits = new BitReader(stream, start);
  const samples = new Uint16Array(rows * columns);
  const block = new Int32Array(64);
  const blocksAcross = Math.ceil(columns / 8);
  const blocks = blocksAcross * Math.ceil(rows / 8);
  let last = 0;
  for (let k = 0; k < blocks; k++) {
    if (restartInterval > 0 && k > 0 && k % restartInterval === 0) {
      bits.restart();
      last = 0;
    }
    last = readBlock(bits, dc, ac, quantizer, last, block);
    invert(block);
    store(block, samples, rows, columns, 8 * Math.floor(k / blocksAcross), 8 * (k % blocksAcross));
  }
  return samples;
}

// Row-major place of each coefficient of the stream (figure A.6).
const ZIGZAG = Uint8Array.of(
  ...[
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28,
  ],
  ...[
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
    55, 62, 63,
  ],
);

/** Fills the block with coefficients, multiplied out; returns the undifferenced DC coefficient. */
function readBlock(
  bits: BitReader,
  dc: HuffmanTable,
  ac: HuffmanTable,
  quantizer: Uint16Array,
  lastDc: number,
  block: Int32Array,
): number {
  block.fill(0);
  const size = bits.symbol(dc);
  if (size > 15) throw new Error('its JPEG data are damaged (a coefficient of more than 15 bits)');
  const value = lastDc + (size === 0 ? 0 : bits.signed(size));
  block[0] = value * quantizer[0]!;
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(ac);
    const length = symbol & 15;
    if (length === 0 && symbol !== 0xf0) break;
    k += symbol >> 4;
    if (length === 0) continue;
    if (k > 63) throw new Error('its JPEG data are damaged (more than 64 coefficients)');
    block[ZIGZAG[k]!] = bits.signed(length) * quantizer[k]!;
  }
  return value;
}

const FRACTION_BITS = 13;
const PASS_BITS = 1; // With 12 bits; libjpeg keeps two with 8.
const fix = (value: number) => Math.round(value * (1 << FRACTION_BITS));
const [F0_298, F0_390, F0_541, F0_765] = [fix(0.298631336), fix(0.390180644), fix(0.5411961), fix(0.765366865)];
const [F0_899, F1_175, F1_501, F1_847] = [fix(0.899976223), fix(1.175875602), fix(1.50132111), fix(1.847759065)];
const [F1_961, F2_053, F2_562, F3_072] = [fix(1.96157056), fix(2.053119869), fix(2.562915447), fix(3.072711026)];

function invert(block: Int32Array): void {
  for (let column = 0; column < 8; column++) invertLine(block, column, 8, FRACTION_BITS - PASS_BITS);
  for (let row = 0; row < 8; row++) invertLine(block, 8 * row, 1, FRACTION_BITS + PASS_BITS + 3);
}

/** Eight values in place, divided by 2 ** shift with rounding. */
function invertLine(block: Int32Array, at: number, step: number, shift: number): void {
  const half = 1 << (shift - 1);
  // Even part.
  const [a2, a6] = [block[at + 2 * step]!, block[at + 6 * step]!];
  const z1 = (a2 + a6) * F0_541;
  const t2 = z1 - a6 * F1_847;
  const t3 = z1 + a2 * F0_765;
  const sum = (block[at]! + block[at + 4 * step]!) << FRACTION_BITS;
  const difference = (block[at]! - block[at + 4 * step]!) << FRACTION_BITS;
  const [e0, e3, e1, e2] = [sum + t3, sum - t3, difference + t2, difference - t2];
  // Odd part.
  const [b0, b1, b2, b3] = [block[at + 7 * step]!, block[at + 5 * step]!, block[at + 3 * step]!, block[at + step]!];
  const z5 = (b0 + b2 + b1 + b3) * F1_175;
  const y1 = -(b0 + b3) * F0_899;
  const y2 = -(b1 + b2) * F2_562;
  const y3 = z5 - (b0 + b2) * F1_961;
  const y4 = z5 - (b1 + b3) * F0_390;
  const o0 = b0 * F0_298 + y1 + y3;
  const o1 = b1 * F2_053 + y2 + y4;
  const o2 = b2 * F3_072 + y2 + y3;
  const o3 = b3 * F1_501 + y1 + y4;
  block[at] = (e0 + o3 + half) >> shift;
  block[at + 7 * step] = (e0 - o3 + half) >> shift;
  block[at + step] = (e1 + o2 + half) >> shift;
  block[at + 6 * step] = (e1 - o2 + half) >> shift;
  block[at + 2 * step] = (e2 + o1 + half) >> shift;
  block[at + 5 * step] = (e2 - o1 + half) >> shift;
  block[at + 3 * step] = (e3 + o0 + half) >> shift;
  block[at + 4 * step] = (e3 - o0 + half) >> shift;
}

/** Only what lies within the image: its last blocks may reach beyond. */
function store(
  block: Int32Array,
  samples: Uint16Array,
  rows: number,
  columns: number,
  top: number,
  left: number,
): void {
  for (let row = 0; row < 8 && top + row < rows; row++) {
    for (let column = 0; column < 8 && left + column < columns; column++) {
      const value = block[8 * row + column]! + CENTRE;
      samples[(top + row) * columns + left + column] = Math.min(Math.max(value, 0), LARGEST);
    }
  }
}
