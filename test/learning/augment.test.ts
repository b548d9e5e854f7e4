// Augmentation: the warp against Pillow and PyTorch (test/oracles/augment.py), and the laws of the drawn parameters.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { affineOf, drawView, IDENTITY, TTA_VIEWS, type View, warp } from '../../tasks/learning/loader/augment.ts';
import { levelsOf } from '../../tasks/learning/loader/levels.ts';
import { AUGMENT, randomStream, shuffled } from '../../tasks/learning/loader/random.ts';

interface Case {
  oracle: string;
  name: string;
  width: number;
  height: number;
  size: number;
  view: View;
  pixels: string;
  expected: string;
  tolerance: number;
}
const cases: Case[] = JSON.parse(readFileSync(new URL('../oracles/golden/augment.json', import.meta.url), 'utf8'));
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const GREY = Float32Array.from({ length: 256 }, (_, value) => value);

function warped(
  pixels: Uint8Array,
  width: number,
  height: number,
  view: View,
  size: number,
  levels: Float32Array = GREY,
): Float32Array {
  const out = new Float32Array(3 * size * size);
  warp({ width, height, pixels }, affineOf(view, width, height, size), levels, size, out, 0);
  return out;
}

test.each(cases)('$name, $width x $height to $size, is $oracle within $tolerance grey levels', (given) => {
  const out = warped(bytes(given.pixels), given.width, given.height, given.view, given.size);
  const expected = new Float32Array(bytes(given.expected).buffer);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(out[i]! - expected[i]!));
  expect(out.length).toBe(expected.length);
  expect(largest).toBeLessThan(given.tolerance);
});

test('the identity view at the same size is the image itself', () => {
  const pixels = Uint8Array.from({ length: 3 * 81 }, (_, i) => (i * 97) % 256);
  const out = warped(pixels, 9, 9, IDENTITY, 9);
  for (let i = 0; i < 81; i++) for (let c = 0; c < 3; c++) expect(out[c * 81 + i]).toBe(pixels[3 * i + c]);
});

test('outside of the frame a 3-slice image is air, 0 HU, which its window shows as 0.1', () => {
  const out = warped(new Uint8Array(3 * 64).fill(255), 8, 8, { flip: false, degrees: 10 }, 8, levelsOf('adjacent_hu'));
  expect(out[0]).toBeCloseTo(0.1, 6);
  expect(out[8 * 4 + 4]).toBe(1);
});

test('the subdural window maps HU by (hu + 20) / 200, and windowed kinds are value / 255', () => {
  const window = levelsOf('adjacent_hu');
  expect([0, 40, 80, 180, 255].map((hu) => window[hu])).toEqual([0.1, 0.3, 0.5, 1, 1].map(Math.fround));
  const plain = levelsOf('brain_subdural_bone');
  expect([0, 51, 255].map((value) => plain[value])).toEqual([0, 0.2, 1].map(Math.fround));
});

test('drawn crops lie in the frame, and turns within 15 degrees', () => {
  const side = fc.integer({ min: 1, max: 600 });
  fc.assert(
    fc.property(side, side, fc.nat(), (width, height, seed) => {
      const { degrees, crop } = drawView(randomStream(AUGMENT, seed), width, height);
      expect(Math.abs(degrees)).toBeLessThanOrEqual(15);
      expect(crop!.width).toBeGreaterThan(0);
      expect(crop!.height).toBeGreaterThan(0);
      expect(crop!.left).toBeGreaterThanOrEqual(0);
      expect(crop!.top).toBeGreaterThanOrEqual(0);
      expect(crop!.left + crop!.width).toBeLessThanOrEqual(width);
      expect(crop!.top + crop!.height).toBeLessThanOrEqual(height);
    }),
    { numRuns: 2000 },
  );
});

test('over many draws, area, ratio, flips and turns have the documented ranges and means', () => {
  const views = Array.from({ length: 4000 }, (_, i) => drawView(randomStream(AUGMENT, 1, 0, i), 400, 400));
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const areas = views.map(({ crop }) => (crop!.width * crop!.height) / 160_000);
  const ratios = views.map(({ crop }) => crop!.width / crop!.height);
  expect(Math.min(...areas)).toBeGreaterThan(0.845);
  expect(Math.max(...areas)).toBeLessThanOrEqual(1);
  expect(Math.min(...ratios)).toBeGreaterThan(0.79);
  expect(Math.max(...ratios)).toBeLessThan(1.21);
  expect(mean(views.map(({ flip }) => Number(flip)))).toBeCloseTo(0.5, 1);
  expect(Math.abs(mean(views.map(({ degrees }) => degrees)))).toBeLessThan(0.6);
  expect(mean(views.map(({ degrees }) => degrees ** 2))).toBeGreaterThan(70); // 225 / 3 = 75.
});

test('the four test-time views are identity, mirror image and both turns', () => {
  expect(TTA_VIEWS.map(({ flip, degrees }) => [flip, degrees])).toEqual([
    [false, 0],
    [true, 0],
    [false, -10],
    [false, 10],
  ]);
});

test('a random stream depends on every number that names it, in order', () => {
  const first = (...name: number[]): number => randomStream(...name).next();
  expect(first(1, 2, 3)).toBe(first(1, 2, 3));
  const names = [
    [1, 2, 3],
    [1, 3, 2],
    [2, 1, 3],
    [1, 2, 4],
    [1, 2],
    [1, 2, 3, 0],
    [1, 2, -3],
  ];
  expect(new Set(names.map((name) => first(...name))).size).toBe(names.length);
});

test('streams of neighbouring names are uniform and not correlated', () => {
  const draws = Array.from({ length: 20_000 }, (_, i) => randomStream(AUGMENT, 7, 0, i).next());
  const bins = new Array<number>(20).fill(0);
  for (const value of draws) bins[Math.floor(value * 20)]!++;
  const chiSquare = bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  expect(chiSquare).toBeLessThan(43.8); // 19 degrees of freedom, p = 0.001.
  const covariance =
    draws.slice(1).reduce((sum, value, i) => sum + (value - 0.5) * (draws[i]! - 0.5), 0) / draws.length;
  expect(Math.abs(covariance * 12)).toBeLessThan(0.025);
});

test('a shuffle is a permutation that its stream alone decides', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.nat(), (length, seed) => {
      const order = shuffled(length, randomStream(seed));
      expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
      expect(shuffled(length, randomStream(seed))).toEqual(order);
    }),
  );
});
