import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { CLASSES } from '../../tasks/classes.ts';
import { weightedLogLoss } from '../../tasks/metrics.ts';
import { applySmoothing, fitSmoothing, type Search, type SmoothingFit } from '../../tasks/smoothing/fit.ts';
import { smoothed } from '../../tasks/smoothing/gaussian.ts';
import { stacksOf } from '../../tasks/smoothing/stacks.ts';
import { writeLabels } from '../../tasks/tables/labels.ts';
import { readPredictions, writePredictions } from '../../tasks/tables/predictions.ts';
import { runTask } from '../rigs/task.ts';
import { drawLabels, drawPredictions, drawSlices, type Slice, writeTable } from './tables.ts';

const root = mkdtempSync(join(tmpdir(), 'dag-smooth-'));
afterAll(() => rmSync(root, { recursive: true }));

const SEARCH: Search = { smallestSigmaMm: 0.5, largestSigmaMm: 20, gridPoints: 8, toleranceMm: 0.01 };

function stacks(slices: readonly Slice[], seriesOf: (slice: Slice) => string | null = () => null) {
  const table = slices.map((slice) => ({
    Image: slice.image,
    StudyInstanceUID: slice.study,
    SeriesInstanceUID: seriesOf(slice),
    ImagePositionPatient_2: slice.positionMm,
  }));
  return stacksOf(
    slices.map((slice) => slice.image),
    table,
  );
}

function stack(positionsMm: readonly number[], study = 's'): Slice[] {
  return positionsMm.map((positionMm, i) => ({ image: `i${i}`, patient: 'p', study, positionMm }));
}

test('the weighted mean is that of NumPy', () => {
  const { smoothing } = JSON.parse(
    readFileSync(new URL('../oracles/statistics/golden/metrics.json', import.meta.url), 'utf8'),
  ) as { smoothing: { positions: number[]; values: number[]; expected: Record<string, number[]> } };
  for (const [sigma, expected] of Object.entries(smoothing.expected)) {
    const found = smoothed(Float64Array.from(smoothing.values), stacks(stack(smoothing.positions)), Number(sigma));
    expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-14);
  }
});

const positions = fc.array(fc.double({ min: -200, max: 200, noNaN: true }), { minLength: 1, maxLength: 40 });

test('a constant stays itself, and nothing leaves the range of the study', () => {
  const sigma = fc.double({ min: 0, max: 50, noNaN: true });
  fc.assert(
    fc.property(
      positions,
      sigma,
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (at, width, stream) => {
        const values = Float64Array.from(at, () => stream.next().value as number);
        const constant = new Float64Array(at.length).fill(values[0]!);
        const one = stacks(stack(at));
        for (const value of smoothed(constant, one, width)) expect(value).toBeCloseTo(values[0]!, 14);
        const found = smoothed(values, one, width);
        expect(Math.min(...found)).toBeGreaterThanOrEqual(Math.min(...values) - 1e-15);
        expect(Math.max(...found)).toBeLessThanOrEqual(Math.max(...values) + 1e-15);
        if (width === 0) expect(found).toEqual(values);
      },
    ),
  );
});

test('neighbours are those of the same study, whatever the order of the images', () => {
  const slices = [...stack([0, 5, 10], 'a'), ...stack([0, 5, 10], 'b')].map((slice, i) => ({
    ...slice,
    image: `i${i}`,
  }));
  const mixed = [4, 0, 3, 2, 5, 1].map((i) => slices[i]!);
  const found = smoothed(Float64Array.from([1, 0, 1, 0, 1, 0]), stacks(mixed), 5);
  expect([...found]).toEqual([1, 0, 1, 0, 1, 0]);
});

test('neighbours are those of the same series: a study with two kernels is two stacks in one place', () => {
  const slices = ['soft', 'bone'].flatMap((series) =>
    stack([0, 5, 10]).map((slice) => ({ ...slice, image: `${series} ${slice.image}` })),
  );
  const ours = stacks(slices, ({ image }) => image.split(' ')[0]!);
  expect([...smoothed(Float64Array.from([1, 1, 1, 0, 0, 0]), ours, 5)]).toEqual([1, 1, 1, 0, 0, 0]);
  const alone = smoothed(Float64Array.from([0, 1, 0.5]), stacks(slices.slice(0, 3)), 5);
  expect(smoothed(Float64Array.from([0, 1, 0.5, 1, 0, 1]), ours, 5).slice(0, 3)).toEqual(alone);
});

test('an image without metadata has no neighbours and stays as it is', () => {
  const one = stacksOf(
    ['a', 'b', 'c'],
    [
      { Image: 'a', StudyInstanceUID: 's', SeriesInstanceUID: null, ImagePositionPatient_2: 0 },
      { Image: 'c', StudyInstanceUID: 's', SeriesInstanceUID: null, ImagePositionPatient_2: 5 },
    ],
  );
  const [a, b, c] = smoothed(Float64Array.from([1, 0.25, 0]), one, 10);
  expect(b).toBe(0.25);
  expect(a).toBeLessThan(1);
  expect(c).toBeCloseTo(1 - a!, 14);
});

test('what was fitted is never worse than the untouched predictions, for any class', () => {
  const slices = drawSlices({ patients: 6, slices: 10 });
  const ours = stacks(slices);
  fc.assert(
    fc.property(fc.nat(1000), fc.double({ min: -1, max: 3, noNaN: true }), (seed, skill) => {
      const labels = drawLabels(slices, seed);
      const values = drawPredictions(labels, { skill, noise: 2, seed });
      const { before, after } = fitSmoothing(values, labels, ours, SEARCH);
      for (const name of CLASSES) expect(after[name]).toBeLessThanOrEqual(before[name]!);
      expect(after.weighted).toBeLessThanOrEqual(before.weighted! + 1e-15);
    }),
    { numRuns: 25 },
  );
});

test('the fitted sigma is as good as any on a fine grid, and 0 where smoothing hurts', () => {
  const slices = drawSlices({ patients: 30, slices: 16 });
  const ours = stacks(slices);
  const labels = drawLabels(slices, 4);
  const noisy = drawPredictions(labels, { skill: 1.5, noise: 2, seed: 4 });
  const fit = fitSmoothing(noisy, labels, ours, SEARCH);
  for (const [c, name] of CLASSES.entries()) {
    const lossAt = (sigma: number): number => {
      const weights = CLASSES.map((_, other) => (other === c ? 1 : 0));
      const only = Object.fromEntries(CLASSES.map((each) => [each, sigma]));
      return weightedLogLoss(applySmoothing(noisy, ours, { sigmaMm: only, raiseAny: false }), labels, weights);
    };
    expect(fit.sigmaMm[name]).toBeGreaterThan(0);
    const fine = Array.from({ length: 80 }, (_, i) => lossAt(0.25 * (i + 1)));
    expect(lossAt(fit.sigmaMm[name]!)).toBeLessThan(Math.min(...fine) + 1e-5);
  }

  const certain = Float64Array.from(labels, (label) => (label === 1 ? 0.999 : 0.001));
  expect(Object.values(fitSmoothing(certain, labels, ours, SEARCH).sigmaMm)).toEqual([0, 0, 0, 0, 0, 0]);
});

test('`any` is raised to the largest subtype where that lowers the loss, and only there', () => {
  const slices = drawSlices({ patients: 10, slices: 10 });
  const labels = drawLabels(slices, 7);
  const timid = drawPredictions(labels, { skill: 2, noise: 0.5, seed: 1 });
  for (let i = 0; i < timid.length; i += 6) timid[i] = Math.min(timid[i]!, 0.3);
  const fit = fitSmoothing(timid, labels, stacks(slices), SEARCH);
  expect(fit.raiseAny).toBe(true);
  const after = applySmoothing(timid, stacks(slices), fit);
  for (let i = 0; i < after.length; i += 6) expect(after[i]).toBe(Math.max(...after.subarray(i, i + 6)));

  const loud = timid.map((_, i) => (i % 6 === 0 ? (labels[i] === 1 ? 0.9 : 0.1) : 0.6));
  expect(fitSmoothing(loud, labels, stacks(slices), SEARCH).raiseAny).toBe(false);
});

test('the task fits on out-of-fold predictions and applies the same to the test set', async () => {
  const slices = drawSlices({ patients: 12, slices: 10 });
  const labels = drawLabels(slices, 2);
  const testSlices = drawSlices({ patients: 5, slices: 8, prefix: 'ID_t' });
  const oof = drawPredictions(labels, { skill: 1.5, noise: 2, seed: 2 });
  const test = drawPredictions(drawLabels(testSlices, 9), { skill: 1.5, noise: 2, seed: 9 });
  const at = (name: string): string => join(root, name);
  await writeTable(at('train.parquet'), slices);
  await writeTable(at('test.parquet'), testSlices);
  const images = slices.map((slice) => slice.image);
  const testImages = testSlices.map((slice) => slice.image);
  writeLabels(at('labels.csv'), { images, values: labels });
  writePredictions(at('oof.csv'), { images, values: oof });
  writePredictions(at('test.csv'), { images: testImages, values: test });

  const inputs = {
    oof: 'oof.csv',
    test: 'test.csv',
    labels: 'labels.csv',
    train_table: 'train.parquet',
    test_table: 'test.parquet',
  };
  const out = { oof: at('out/oof.csv'), test: at('out/test.csv'), fit: at('out/fit.json') };
  await runTask('tasks/smooth.ts', {
    in: Object.fromEntries(Object.entries(inputs).map(([name, file]) => [name, at(file)])),
    out,
  });
  const fit = JSON.parse(readFileSync(out.fit, 'utf8')) as SmoothingFit;
  expect(fit.after.weighted).toBeLessThan(fit.before.weighted!);
  expect(readPredictions(out.oof).values).toEqual(applySmoothing(oof, stacks(slices), fit));
  expect(readPredictions(out.test)).toEqual({
    images: testImages,
    values: applySmoothing(test, stacks(testSlices), fit),
  });
});
