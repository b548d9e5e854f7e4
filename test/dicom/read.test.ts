// Our reader on our writer's files, whole and damaged.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHeader, readHeader, textOf } from '../../tasks/dicom/header.ts';
import { describeImage } from '../../tasks/dicom/image.ts';
import { readImage } from '../../tasks/dicom/pixels.ts';
import { encodeHandMade, type HandMade } from '../imaging/dataset.ts';

const folder = mkdtempSync(join(tmpdir(), 'dag-dicom-'));
const image: HandMade = { name: 'ramp', rows: 5, columns: 7, pixel: (row, column) => row * 100 - column * 7, z: 3 };

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe.each(['explicit-little', 'implicit-little', 'explicit-big'] as const)('in syntax %s', (syntax) => {
  it('reads the stored values back', async () => {
    const found = await readImage(fileOf(syntax, encodeHandMade({ ...image, syntax })));
    if ('reason' in found) throw new Error(found.reason);
    expect([found.rows, found.columns, found.rescaleIntercept]).toEqual([5, 7, -1024]);
    expect([...found.stored]).toEqual(Array.from({ length: 35 }, (_, i) => image.pixel(Math.floor(i / 7), i % 7)));
  });

  it('reads a header that is longer than the first read', async () => {
    const extra = [{ tag: 0x00204000, vr: 'LO' as const, value: 'a long comment '.repeat(4000) }];
    const path = fileOf(`${syntax}-long`, encodeHandMade({ ...image, syntax, extra }));
    const header = readHeader(path);
    if ('reason' in header) throw new Error(header.reason);
    expect(header.pixels?.lengthBytes).toBe(70);
    expect('reason' in (await readImage(path))).toBe(false);
  });

  it('gives a reason, and never throws, wherever the file is cut', async () => {
    const whole = encodeHandMade({ ...image, syntax });
    for (let length = 0; length < whole.length; length++) {
      const found = await readImage(fileOf('cut', whole.subarray(0, length)));
      expect(found).toHaveProperty('reason');
    }
  });
});

it('gives a row or a reason, and never throws, whichever byte is changed', () => {
  const whole = encodeHandMade(image);
  const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const bytes = Uint8Array.from(whole);
      for (const { at, to } of changes) bytes[at] = to;
      const header = parseHeader(bytes, bytes.length);
      if ('reason' in header) {
        expect(header.reason).not.toBe('');
        return;
      }
      const { row, problem } = describeImage('x', header);
      expect(row !== null || problem !== null).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

it('decodes text as UTF-8 where the file declares it', () => {
  const name = Buffer.from('Jørgen').toString('latin1');
  const charset = { tag: 0x00080005, vr: 'CS' as const, value: 'ISO_IR 192' };
  const extra = [charset, { tag: 0x00100020, vr: 'LO' as const, value: name }];
  const header = parseHeader(encodeHandMade({ ...image, extra }), 1e6);
  if ('reason' in header) throw new Error(header.reason);
  expect(textOf(header.dataSet, 'x00100020')).toBe('Jørgen');
});
