import { expect, it } from 'vitest';
import { hounsfieldTable, toPlanes } from '../../tasks/imaging/hounsfield.ts';
import { clipTable, WINDOWS, windowTable } from '../../tasks/imaging/windows.ts';

const unsigned12 = { bitsStored: 12, pixelRepresentation: 0, rescaleSlope: 1 };

it('repairs wrapped values: 3096 was -1000 HU', () => {
  const table = hounsfieldTable({ ...unsigned12, rescaleIntercept: 0 });
  expect([table[3096], table[4095], table[0], table[60]]).toEqual([-1000, -1, 0, 60]);
});

it('leaves values alone where the intercept is at or below -100, or the pixels are signed', () => {
  expect(hounsfieldTable({ ...unsigned12, rescaleIntercept: -100 })[3096]).toBe(2996);
  const signed = { bitsStored: 12, pixelRepresentation: 1, rescaleSlope: 1, rescaleIntercept: 0 };
  expect(hounsfieldTable(signed)[0xffff]).toBe(-1);
});

it('rescales in float32 and truncates towards zero', () => {
  const table = hounsfieldTable({ bitsStored: 16, pixelRepresentation: 1, rescaleSlope: 0.1, rescaleIntercept: -0.05 });
  // 0.1 in float32 is a little more than 0.1: 10 x 0.1 - 0.05 = 0.95, and 20 x 0.1 - 0.05 = 1.95.
  expect([table[10], table[20], table[-19 & 0xffff]]).toEqual([0, 1, -1]);
});

it('pads the shorter side with 0 HU by half the difference, rounded down', () => {
  const image = { rows: 1, columns: 4, stored: Int16Array.of(7, 8, 9, 10), bitsStored: 16, pixelRepresentation: 1 };
  const tables = [clipTable(), windowTable(WINDOWS.subdural)];
  const { rows, columns, planes } = toPlanes(
    { ...image, rescaleSlope: 1, rescaleIntercept: 0, windowCenter: null, windowWidth: null },
    tables,
  );
  expect([rows, columns]).toEqual([3, 4]);
  expect([...planes[0]!]).toEqual([0, 0, 0, 0, 7, 8, 9, 10, 0, 0, 0, 0]);
  // The subdural window begins at -20 HU: its padding is not black.
  expect([...planes[1]!]).toEqual([25, 25, 25, 25, 34, 35, 36, 38, 25, 25, 25, 25]);
});

it('maps the brain window 0..80 HU onto 0..255, truncated', () => {
  const table = windowTable(WINDOWS.brain);
  expect([-5, 0, 1, 16, 40, 79, 80, 500].map((hu) => table[hu & 0xffff])).toEqual([0, 0, 3, 51, 127, 251, 255, 255]);
});

it('clips the 3-slice channel to 0..255 HU', () => {
  const table = clipTable();
  expect([-32768, -1, 0, 37, 255, 256, 32767].map((hu) => table[hu & 0xffff])).toEqual([0, 0, 0, 37, 255, 255, 255]);
});

it('makes declared padding air, and leaves alone what is darker than air already', () => {
  const unsigned = { ...unsigned12, bitsStored: 16, rescaleIntercept: -1024 };
  expect(hounsfieldTable({ ...unsigned, padding: [4095, 4095] }).slice(4093, 4097)).toEqual(
    Int16Array.of(3069, 3070, -1000, 3072),
  );
  const signed = { bitsStored: 16, pixelRepresentation: 1, rescaleSlope: 1, rescaleIntercept: 0 };
  const table = hounsfieldTable({ ...signed, padding: [-2000 & 0xffff, -1 & 0xffff] });
  expect([-2001, -2000, -1, 0].map((value) => table[value & 0xffff])).toEqual([-2001, -2000, -1000, 0]);
});

it('extends the sign of values with fewer bits, and moves values that do not end at bit 0', () => {
  const signed12 = { bitsStored: 12, pixelRepresentation: 1, rescaleSlope: 1, rescaleIntercept: 0 };
  expect([0x0fff, 0xffff, 0x0800, 0x07ff].map((bits) => hounsfieldTable(signed12)[bits])).toEqual([
    -1, -1, -2048, 2047,
  ]);
  expect(hounsfieldTable({ ...signed12, highBit: 15 })[0xfff0]).toBe(-1);
  expect(hounsfieldTable({ ...signed12, pixelRepresentation: 0, highBit: 15, rescaleIntercept: -1024 })[0x4000]).toBe(
    0,
  );
});
