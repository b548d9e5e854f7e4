import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readImage } from '../../tasks/dicom/pixels.ts';
import { largestComponent } from '../../tasks/imaging/components.ts';
import { cropHead } from '../../tasks/imaging/crop.ts';
import { toPlanes } from '../../tasks/imaging/hounsfield.ts';
import { clipTable } from '../../tasks/imaging/windows.ts';
import { drawStudy } from '../../tasks/phantom/study.ts';

const tables = [clipTable()];
const path = join(mkdtempSync(join(tmpdir(), 'dag-crop-')), 'slice.dcm');

async function planeOf(file: Buffer) {
  writeFileSync(path, file);
  const image = await readImage(path);
  if ('reason' in image) throw new Error(image.reason);
  const { rows, columns, planes } = toPlanes(image, tables);
  return { rows, columns, plane: planes[0]! };
}

describe('the head crop', () => {
  it('leaves the head rest behind', async () => {
    for (const { file } of drawStudy(1, 0, 0, 128)) {
      const { rows, columns, plane } = await planeOf(file);
      const head = largestComponent([plane, plane, plane], rows, columns)!;
      const below = plane.subarray((head.bottom + 10) * columns).filter((value) => value > 100);
      expect(below.length).toBeGreaterThan(50); // The rest, outside of the crop …
      const cropped = cropHead([plane, plane, plane], rows, columns);
      expect(cropped.rows).toBe(Math.min(head.bottom + 10, rows) - Math.max(head.top - 10, 0));
      const tail = cropped.data.subarray(-9 * cropped.columns * 3);
      expect(tail.some((value) => value > 100)).toBe(false); // … and nothing of it inside.
    }
  });

  it('keeps a margin of ten pixels, less at the border', () => {
    const plane = new Uint8Array(40 * 60);
    for (let row = 3; row < 25; row++) plane.fill(9, row * 60 + 20, row * 60 + 58);
    const { rows, columns, data } = cropHead([plane, plane, plane], 40, 60);
    expect([rows, columns]).toEqual([35, 50]); // Rows 0..34, columns 10..59.
    expect(data[(3 * 50 + 10) * 3]).toBe(9);
    expect(data[(3 * 50 + 9) * 3]).toBe(0);
  });
});
