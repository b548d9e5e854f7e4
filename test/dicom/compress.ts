// Test files in every compressed transfer syntax, made by dcmtk and GDCM; HTJ2K, which neither of them writes, by OpenJPH.
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { encodeHandMade, type HandMade } from '../imaging/dataset.ts';

/** A command with the input's and the output's path behind it. */
export interface Compressor {
  readonly name: string;
  readonly command: readonly string[];
  /** What takes it back, for comparison; only where something is lost. */
  readonly back?: readonly string[];
  /** The largest difference in stored values from what was compressed: 0 where nothing is lost. */
  readonly tolerance: number;
  /** What it cannot compress, or cannot without losing more than that. */
  readonly not?: readonly string[];
}

const lossless = { tolerance: 0 };
export const COMPRESSORS: readonly Compressor[] = [
  { name: 'deflated', command: ['dcmconv', '+td'], ...lossless },
  { name: 'rle', command: ['dcmcrle'], ...lossless },
  { name: 'rle_gdcm', command: ['gdcmconv', '--rle'], ...lossless },
  { name: 'jpeg_lossless_sv1', command: ['dcmcjpeg', '+e1'], ...lossless },
  { name: 'jpeg_lossless_sv1_gdcm', command: ['gdcmconv', '--jpeg'], ...lossless },
  ...[1, 2, 3, 4, 5, 6, 7].map((predictor) => ({
    name: `jpeg_lossless_predictor${predictor}`,
    command: ['dcmcjpeg', '+el', '+sv', String(predictor)],
    ...lossless,
  })),
  { name: 'jpeg_ls', command: ['dcmcjpls'], ...lossless },
  { name: 'jpeg_ls_gdcm', command: ['gdcmconv', '--jpegls'], ...lossless },
  {
    name: 'jpeg_ls_near',
    command: ['dcmcjpls', '+en', '+md', '2'],
    back: ['dcmdjpls'],
    tolerance: 2,
    not: ['signed16', 'signed12'],
  },
  { name: 'jpeg_2000', command: ['gdcmconv', '--j2k'], ...lossless },
  {
    name: 'jpeg_2000_lossy',
    command: ['gdcmconv', '--j2k', '--lossy', '-q', '90'],
    back: ['gdcmconv', '--raw'],
    tolerance: 30,
  },
  {
    name: 'jpeg_extended_12',
    command: ['dcmcjpeg', '+ee', '+bt', '+q', '98'],
    back: ['dcmdjpeg'],
    tolerance: 8,
    not: ['unsigned16'],
  },
  { name: 'jpeg_extended_8', command: ['dcmcjpeg', '+ee', '+be', '+q', '98'], back: ['dcmdjpeg'], tolerance: 60 },
  { name: 'jpeg_baseline', command: ['dcmcjpeg', '+eb', '+q', '98'], back: ['dcmdjpeg'], tolerance: 60 },
];

export const hasTools = ['dcmcjpeg', 'dcmcjpls', 'dcmcrle', 'dcmconv', 'gdcmconv'].every(
  (tool) => spawnSync(tool, ['--version']).error === undefined,
);

/** Runs a compressor, or what takes it back. */
export function convert(command: readonly string[], from: string, to: string): void {
  rmSync(to, { force: true });
  execFileSync(command[0]!, [...command.slice(1), from, to], { stdio: 'pipe' });
}

export type SourceName = keyof typeof SOURCES;

/** What is compressed: a disc with some texture, in the conventions that scanners use; 50 columns, so that blocks end outside. */
export const SOURCES = {
  signed16: source({ signed: true, bitsStored: 16 }, (row, column) => texture(row, column) - (column < 5 ? 2024 : 0)),
  signed12: source({ signed: true, bitsStored: 12, intercept: '0' }, (row, column) => texture(row, column) - 1024),
  unsigned16: source({ signed: false, bitsStored: 16 }, (row, column) => texture(row, column) + 30_000),
  unsigned12: source({ signed: false, bitsStored: 12 }, texture),
  unsigned8: eightBits((row, column) => texture(row, column) >> 3),
} satisfies Record<string, HandMade>;

function texture(row: number, column: number): number {
  const inside = (row - 30) ** 2 + (column - 25) ** 2 < 300;
  return inside ? 1074 + ((row * 7 + column * 13) % 17) : 24 + ((row * column) % 5);
}

function source(convention: Partial<HandMade>, pixel: HandMade['pixel']): HandMade {
  return { name: 'compressed', rows: 60, columns: 50, z: 1, pixel, ...convention };
}

function eightBits(pixel: HandMade['pixel']): HandMade {
  const image = source({ signed: false, bitsStored: 8 }, pixel);
  const bytes = Uint8Array.from({ length: 3000 }, (_, i) => pixel(Math.floor(i / 50), i % 50));
  const extra = [
    { tag: 0x00280100, vr: 'US' as const, value: [8] },
    { tag: 0x7fe00010, vr: 'OW' as const, value: new Uint16Array(bytes.buffer) },
  ];
  return { ...image, extra };
}

/** The samples as HTJ2K, in a file of that transfer syntax. */
export async function writeHtj2k(image: HandMade, syntax: string, path: string): Promise<void> {
  const { default: factory } = await import('@cornerstonejs/codec-openjph/wasmjs');
  const { HTJ2KEncoder } = await factory();
  const encoder = new HTJ2KEncoder();
  const { rows, columns, bitsStored = 16, signed = true } = image;
  const frame = {
    width: columns,
    height: rows,
    bitsPerSample: bitsStored,
    componentCount: 1,
    isSigned: signed,
    isUsingColorTransform: false,
  };
  const samples = Uint16Array.from({ length: rows * columns }, (_, i) =>
    image.pixel(Math.floor(i / columns), i % columns),
  );
  encoder.getDecodedBuffer(frame).set(new Uint8Array(samples.buffer));
  encoder.setQuality(syntax !== '1.2.840.10008.1.2.4.203', 0.0005);
  encoder.setProgressionOrder(syntax === '1.2.840.10008.1.2.4.202' ? 2 : 0);
  encoder.encode();
  writeFileSync(path, encapsulate(encodeHandMade(image), syntax, encoder.getEncodedBuffer().slice()));
}

/** An explicit little endian file of ours with its pixels replaced by one fragment, as `syntax` has them. */
export function encapsulate(file: Buffer, syntax: string, stream: Uint8Array): Buffer {
  const uid = Buffer.from('1.2.840.10008.1.2.1\0', 'latin1');
  const at = file.indexOf(uid);
  const changed = Buffer.from(syntax + (syntax.length % 2 === 0 ? '' : '\0'), 'latin1');
  const meta = Buffer.concat([file.subarray(0, at), changed, file.subarray(at + uid.length)]);
  meta.writeUInt16LE(changed.length, at - 2);
  meta.writeUInt32LE(meta.readUInt32LE(140) + changed.length - uid.length, 140); // The meta group's length.
  const pixels = meta.lastIndexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x57]));
  const padded = Buffer.concat([stream, Buffer.alloc(stream.length % 2)]);
  const item = (length: number) => Buffer.from(Uint16Array.of(0xfffe, 0xe000, length & 0xffff, length >>> 16).buffer);
  const start = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  const end = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
  return Buffer.concat([meta.subarray(0, pixels), start, item(0), item(padded.length), padded, end]);
}
