// Every compressed transfer syntax: exact where nothing is lost, equal to the compressor's own decoder where something is. The
// files come from dcmtk and GDCM where those are installed (`.ci/run` installs them); fixtures/ keeps one of each syntax.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readHeader } from '../../tasks/dicom/header.ts';
import { readImage, type StoredImage } from '../../tasks/dicom/pixels.ts';
import { TRANSFER_SYNTAXES } from '../../tasks/dicom/syntax.ts';
import { hounsfieldTable } from '../../tasks/imaging/hounsfield.ts';
import { encodeHandMade } from '../imaging/dataset.ts';
import { COMPRESSORS, convert, encapsulate, hasTools, SOURCES, type SourceName, writeHtj2k } from './compress.ts';

const folder = mkdtempSync(join(tmpdir(), 'dag-codecs-'));
const fixtures = join(import.meta.dirname, 'fixtures');
const names = Object.keys(SOURCES) as SourceName[];
for (const name of names) writeFileSync(join(folder, `${name}.dcm`), encodeHandMade(SOURCES[name]));

const HTJ2K = ['201', '202', '203'].map((last) => `1.2.840.10008.1.2.4.${last}`);

async function read(path: string): Promise<StoredImage> {
  const image = await readImage(path);
  if ('reason' in image) throw new Error(`${path}: ${image.reason}`);
  return { ...image, stored: image.stored.slice() };
}

/** In Hounsfield units, since a lossy file may be rescaled. */
async function huOf(path: string): Promise<Int16Array> {
  const image = await read(path);
  const table = hounsfieldTable(image);
  return Int16Array.from(image.stored as Int16Array, (value) => table[value & 0xffff]!);
}

async function difference(one: string, other: string): Promise<number> {
  const [a, b] = [await huOf(one), await huOf(other)];
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const source = (name: SourceName) => join(folder, `${name}.dcm`);

describe.runIf(hasTools).each(COMPRESSORS)('$name', ({ name, command, back, tolerance, not }) => {
  it.each(names.filter((one) => !not?.includes(one)))('reads %s as it was', async (from) => {
    const path = join(folder, `${from}.${name}.dcm`);
    convert(command, source(from), path);
    const header = readHeader(path);
    if ('reason' in header) throw new Error(header.reason);
    expect(TRANSFER_SYNTAXES.get(header.transferSyntax)!.name).not.toContain('endian');
    expect(await difference(path, source(from))).toBeLessThanOrEqual(tolerance);
    if (process.env.UPDATE_FIXTURES && from === 'unsigned12') {
      mkdirSync(fixtures, { recursive: true });
      writeFileSync(join(fixtures, `${name}.dcm`), readFileSync(path));
    }
    if (!back) return;
    const plain = join(folder, `${from}.${name}.plain.dcm`);
    convert(back, path, plain);
    expect(await difference(path, plain)).toBe(0);
  });
});

describe.each(HTJ2K)('HTJ2K, %s', (syntax) => {
  it.each(names.filter((name) => name.endsWith('12') || name.endsWith('16')))('reads %s as it was', async (from) => {
    const path = join(folder, `${from}.htj2k.dcm`);
    await writeHtj2k(SOURCES[from], syntax, path);
    expect(await difference(path, source(from))).toBeLessThanOrEqual(syntax.endsWith('203') ? 60 : 0);
  });
});

describe('the fixtures', () => {
  const toleranceOf = new Map(COMPRESSORS.map(({ name, tolerance }) => [`${name}.dcm`, tolerance]));
  it('hold every compressor', () => {
    expect(readdirSync(fixtures).sort()).toEqual([...toleranceOf.keys()].sort());
  });

  it.each([...toleranceOf])('%s reads as what it was made of', async (file, tolerance) => {
    expect(await difference(join(fixtures, file), source('unsigned12'))).toBeLessThanOrEqual(tolerance);
  });
});

describe('a compressed file that is damaged', () => {
  const cut = (file: string, keep: number) => {
    const bytes = readFileSync(join(fixtures, file));
    const path = join(folder, `cut_${file}`);
    writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * keep)));
    return path;
  };

  it.each(COMPRESSORS.map(({ name }) => `${name}.dcm`).filter((file) => file !== 'deflated.dcm'))(
    '%s, cut short, says so',
    async (file) => {
      expect(await readImage(cut(file, 0.9))).toEqual({
        reason: expect.stringMatching(/compressed pixel data are cut off/),
      });
    },
  );

  it('deflated, cut short, says how much there is', async () => {
    expect(await readImage(cut('deflated.dcm', 0.9))).toEqual({
      reason: expect.stringMatching(/pixel data have \d+ of 6000 bytes/),
    });
  });

  it('does not make pixels out of a JPEG stream that ends within a whole fragment', async () => {
    for (const [file, syntax] of [
      ['jpeg_lossless_sv1.dcm', '1.2.840.10008.1.2.4.70'],
      ['jpeg_extended_12.dcm', '1.2.840.10008.1.2.4.51'],
    ] as const) {
      const bytes = readFileSync(join(fixtures, file));
      const start = bytes.indexOf(Buffer.from([0xff, 0xd8, 0xff]));
      const path = join(folder, 'ends.dcm');
      const plain = encodeHandMade(SOURCES.unsigned12);
      writeFileSync(path, encapsulate(plain, syntax, bytes.subarray(start, start + (bytes.length - start) * 0.7)));
      expect(await readImage(path)).toEqual({ reason: 'its pixels cannot be decompressed: its JPEG data are cut off' });
    }
  });

  it('refuses a stream of another size than the header has, before it allocates for it', async () => {
    const bytes = readFileSync(join(fixtures, 'jpeg_2000.dcm'));
    const siz = bytes.indexOf(Buffer.from([0xff, 0x4f, 0xff, 0x51]));
    bytes.writeUInt32BE(60_000, siz + 8);
    const path = join(folder, 'huge.dcm');
    writeFileSync(path, bytes);
    expect(await readImage(path)).toEqual({
      reason: 'its pixels cannot be decompressed: the stream has 60 x 60000 pixels, the header 60 x 50',
    });
  });

  it('leaves the codec usable for the next file', async () => {
    const bytes = readFileSync(join(fixtures, 'jpeg_ls.dcm'));
    bytes.fill(0x55, bytes.length - 600, bytes.length - 20);
    const path = join(folder, 'garbage.dcm');
    writeFileSync(path, bytes);
    await readImage(path);
    expect(await difference(join(fixtures, 'jpeg_ls.dcm'), source('unsigned12'))).toBe(0);
    rmSync(path);
  });
});
