// The set that the oracle and we are compared on: some phantom studies, and one study of hand-made slices for the cases
// that no scanner's average day has. Deterministic: the golden digests rest on it.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { uidOf } from '../../tasks/dicom/uid.ts';
import { type ElementToWrite, encodeDicom, type UncompressedSyntax } from '../../tasks/dicom/write.ts';
import { randomFor } from '../../tasks/phantom/random.ts';
import { CT_IMAGE_STORAGE, decimal } from '../../tasks/phantom/scanner.ts';
import { runTask } from '../rigs/task.ts';

export interface HandMade {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Stored value by row and column. */
  readonly pixel: (row: number, column: number) => number;
  readonly z: number;
  readonly study?: string;
  readonly syntax?: UncompressedSyntax;
  readonly bitsStored?: number;
  readonly signed?: boolean;
  readonly slope?: string;
  readonly intercept?: string;
  /** Replaces elements of the same tag. */
  readonly extra?: readonly ElementToWrite[];
}

/** Writes the set into `folder`; returns the lines that the metadata task must warn with, in its order. */
export async function makeDataset(folder: string, scratch: string, patients = 6): Promise<string[]> {
  const data = join(scratch, 'phantom');
  const params = { patients, size: 64, shuffle_labels: false, seed: 5, stage: 's' };
  await runTask('tasks/phantom.ts', { params, out: { data } });
  mkdirSync(folder, { recursive: true });
  for (const split of ['train', 'test']) {
    const from = join(data, `s_${split}`);
    for (const name of readdirSync(from)) copyFileSync(join(from, name), join(folder, name));
  }
  for (const image of handMade()) writeFileSync(join(folder, `${image.name}.dcm`), encodeHandMade(image));
  return writeBrokenFiles(folder);
}

/** Files of sound DICOM that are no slices of a head, or hold nothing. */
function refused(): Record<string, HandMade> {
  const common = { rows: 60, columns: 60, z: 0, pixel: disc };
  const cs = (tag: number, value: string | string[]) => ({ tag, vr: 'CS' as const, value });
  return {
    zero_filled: { ...common, name: 'zero_filled', pixel: () => 0, z: -22 },
    localizer: { ...common, name: 'localizer', extra: [cs(0x00080008, ['ORIGINAL', 'PRIMARY', 'LOCALIZER'])] },
    magnet: { ...common, name: 'magnet', extra: [cs(0x00080060, 'MR')] },
    frames: { ...common, name: 'frames', extra: [{ tag: 0x00280008, vr: 'IS', value: '2' }] },
    palette: { ...common, name: 'palette', extra: [cs(0x00280004, 'PALETTE COLOR')] },
  };
}

export function encodeHandMade(image: HandMade): Buffer {
  const pixels = new Uint16Array(image.rows * image.columns);
  for (let i = 0; i < pixels.length; i++)
    pixels[i] = image.pixel(Math.floor(i / image.columns), i % image.columns) & 0xffff;
  const sopInstanceUid = uidOf(`hand-made/${image.name}`);
  const bitsStored = image.bitsStored ?? 16;
  const elements: ElementToWrite[] = [
    { tag: 0x00080016, vr: 'UI', value: CT_IMAGE_STORAGE },
    { tag: 0x00080018, vr: 'UI', value: sopInstanceUid },
    { tag: 0x00080060, vr: 'CS', value: 'CT' },
    { tag: 0x00100020, vr: 'LO', value: 'hand-made' },
    { tag: 0x0020000d, vr: 'UI', value: uidOf(`study/${image.study ?? 'hand-made'}`) },
    { tag: 0x00200032, vr: 'DS', value: ['0', '0', decimal(image.z)] },
    { tag: 0x00280002, vr: 'US', value: [1] },
    { tag: 0x00280004, vr: 'CS', value: 'MONOCHROME2' },
    { tag: 0x00280010, vr: 'US', value: [image.rows] },
    { tag: 0x00280011, vr: 'US', value: [image.columns] },
    { tag: 0x00280100, vr: 'US', value: [16] },
    { tag: 0x00280101, vr: 'US', value: [bitsStored] },
    { tag: 0x00280102, vr: 'US', value: [bitsStored - 1] },
    { tag: 0x00280103, vr: 'US', value: [image.signed === false ? 0 : 1] },
    { tag: 0x00281050, vr: 'DS', value: ['40', '80', '600'] },
    { tag: 0x00281051, vr: 'DS', value: ['80', '200.5', '2800'] },
    { tag: 0x00281052, vr: 'DS', value: image.intercept ?? '-1024' },
    { tag: 0x00281053, vr: 'DS', value: image.slope ?? '1' },
    { tag: 0x7fe00010, vr: 'OW', value: pixels },
  ];
  const extra = image.extra ?? [];
  const kept = elements.filter(({ tag }) => !extra.some((other) => other.tag === tag));
  const syntax = image.syntax ?? 'explicit-little';
  return encodeDicom({ sopClassUid: CT_IMAGE_STORAGE, sopInstanceUid, elements: [...kept, ...extra], syntax });
}

/** Noise in which `share` of the pixels are foreground: many small components, and ties. */
function noise(name: string, share: number): HandMade['pixel'] {
  const random = randomFor('noise', name);
  return () => (random() < share ? 1024 + Math.floor(random() * 300) : 0);
}

const disc = (row: number, column: number) => ((row - 30) ** 2 + (column - 25) ** 2 < 300 ? 1074 : 0);

function handMade(): HandMade[] {
  const size = { rows: 60, columns: 60 };
  const shares = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 0.98];
  return [
    { ...size, name: 'air', pixel: () => 24, z: 10, study: 'air alone' },
    { ...size, name: 'implicit', pixel: disc, z: 9, syntax: 'implicit-little' },
    { ...size, name: 'big_endian', pixel: disc, z: 8, syntax: 'explicit-big' },
    { ...size, name: 'half_slope', pixel: (r, c) => r * 40 + c * 3 - 500, z: 7, slope: '0.4999', intercept: '-0.7' },
    { ...size, name: 'odd_slope', pixel: (r, c) => r * 29 + c, z: 6, slope: '1.23456789', intercept: '-1000.5' },
    { ...size, name: 'wraps_int16', pixel: (r, c) => r * 1100 - 32768 + c, z: 5, slope: '1.7' },
    {
      ...size,
      name: 'wrapped',
      pixel: (r, c) => (r * 69 + c) % 4096,
      z: 4,
      bitsStored: 12,
      signed: false,
      intercept: '0',
    },
    {
      ...size,
      name: 'wrapped_overflow',
      pixel: (r, c) => 61000 + r * 75 + c,
      z: 3,
      bitsStored: 12,
      signed: false,
      intercept: '-99',
    },
    {
      ...size,
      name: 'not_wrapped',
      pixel: (r, c) => r * 69 + c,
      z: 2,
      bitsStored: 12,
      signed: false,
      intercept: '-100',
    },
    {
      ...size,
      name: 'tie',
      pixel: (r, c) => ((r > 40 && r < 45 && c < 4) || (r > 10 && r < 15 && c > 55) ? 1100 : 0),
      z: 1.5,
    },
    { name: 'wide', rows: 41, columns: 60, pixel: disc, z: 1 },
    { name: 'tall', rows: 60, columns: 47, pixel: disc, z: 1 }, // The same place as `wide`: a tie in position.
    { name: 'narrow', rows: 60, columns: 9, pixel: disc, z: 0, study: 'a narrow one alone' },
    ...shares.map((share, k) => ({ ...size, name: `noise_${k}`, pixel: noise(String(k), share), z: -1 - k })),
    { ...size, name: 'all_foreground', pixel: () => 1100, z: -20 },
    ...unusual(),
  ];
}

/** What real sets have beside the competition's three conventions; the series of some of them lie in one place. */
function unusual(): HandMade[] {
  const common = { rows: 60, columns: 60, study: 'unusual' };
  const us = (tag: number, value: number) => ({ tag, vr: 'US' as const, value: [value] });
  const ss = (tag: number, value: number) => ({ tag, vr: 'SS' as const, value: [value] });
  const series = (name: string) => ({ tag: 0x0020000e, vr: 'UI' as const, value: uidOf(`series/${name}`) });
  const monochrome1 = { tag: 0x00280004, vr: 'CS' as const, value: 'MONOCHROME1' };
  const padded = (row: number, column: number) => (row < 12 ? 4095 : disc(row, column));
  return [
    { ...common, name: 'monochrome1', pixel: disc, z: 3, extra: [series('a'), monochrome1] },
    { ...common, name: 'padding', pixel: padded, z: 2, signed: false, extra: [series('a'), us(0x00280120, 4095)] },
    {
      ...common,
      name: 'padding_range',
      pixel: (row, column) => (row < 12 ? -900 - column : disc(row, column)),
      z: 1,
      slope: '-1',
      extra: [series('a'), ss(0x00280120, -2000), ss(0x00280121, -901)],
    },
    {
      ...common,
      name: 'signed12',
      pixel: (r, c) => (disc(r, c) - 1024) & 0xfff,
      z: 2,
      bitsStored: 12,
      intercept: '0',
      extra: [series('b')],
    },
    {
      ...common,
      name: 'high_bits',
      pixel: (r, c) => disc(r, c) << 4,
      z: 1,
      bitsStored: 12,
      signed: false,
      extra: [series('b'), us(0x00280102, 15)],
    },
    { ...common, name: 'no_series', pixel: disc, z: 1.5 },
  ];
}

function writeBrokenFiles(folder: string): string[] {
  const whole = encodeHandMade({ name: 'short_pixels', rows: 60, columns: 60, pixel: disc, z: -21 });
  writeFileSync(join(folder, 'short_pixels.dcm'), whole.subarray(0, whole.length - 1000));
  writeFileSync(join(folder, 'short_header.dcm'), readFileSync(join(folder, 'tall.dcm')).subarray(0, 345));
  writeFileSync(join(folder, 'empty.dcm'), '');
  copyFileSync(join(folder, 'wide.dcm'), join(folder, 'wide_copy.dcm'));
  for (const [name, image] of Object.entries(refused()))
    writeFileSync(join(folder, `${name}.dcm`), encodeHandMade(image));
  writeFileSync(
    join(folder, 'text.dcm'),
    'no DICOM file, but a text long enough to reach the place of the magic '.repeat(4),
  );
  writeFileSync(join(folder, 'notes.txt'), 'remember to ask the scanner');
  const report = encodeDicom({
    sopClassUid: '1.2.840.10008.5.1.4.1.1.88.11',
    sopInstanceUid: uidOf('report'),
    elements: [{ tag: 0x00080060, vr: 'CS', value: 'SR' }],
  });
  writeFileSync(join(folder, 'report.dcm'), report);
  return [
    'notes.txt: its name does not end in .dcm; left out',
    'empty.dcm: the file is empty; left out',
    'frames.dcm: it has several frames in one file; split it into slices first; left out',
    'localizer.dcm: it is a localizer, a view from the side and no slice; left out',
    'magnet.dcm: its modality is MR, not CT; left out',
    'palette.dcm: it is a colour image; left out',
    'report.dcm: it is a DICOM file without an image (modality SR); left out',
    'short_header.dcm: its header is cut off; left out',
    'short_pixels.dcm: its pixel data have 6200 of 7200 bytes; kept as an all-zero image',
    'text.dcm: it is not a DICOM file (no DICM at byte 128); left out',
    'wide_copy.dcm: it is a copy of wide.dcm, byte for byte; left out',
    'zero_filled.dcm: its pixel data are zero throughout; kept as an all-zero image',
  ];
}
