import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { CLASSES } from '../../tasks/classes.ts';
import { weightedLogLoss } from '../../tasks/metrics.ts';
import type { EnsembleFit } from '../../tasks/report/findings.ts';
import { combine as combineValues } from '../../tasks/statistics/combine.ts';
import { fitWeights, logits, mixed } from '../../tasks/statistics/logit_mean.ts';
import { writeLabels } from '../../tasks/tables/labels.ts';
import { readPredictions, writePredictions } from '../../tasks/tables/predictions.ts';
import { runTask } from '../rigs/task.ts';
import { drawLabels, drawPredictions, drawSlices, writeTable } from './tables.ts';

const root = mkdtempSync(join(tmpdir(), 'dag-ensemble-'));
afterAll(() => rmSync(root, { recursive: true }));

const slices = drawSlices({ patients: 60, slices: 10 });
const images = slices.map((slice) => slice.image);
const labels = drawLabels(slices, 1);

test('the weights are those that SciPy finds, and no worse', () => {
  const { ensemble } = JSON.parse(
    readFileSync(new URL('../oracles/statistics/golden/metrics.json', import.meta.url), 'utf8'),
  ) as { ensemble: { models: number[][]; labels: number[]; weights: number[]; loss: number } };
  const models = ensemble.models.map((values) => logits(Float64Array.from(values)));
  const weights = fitWeights(models, Uint8Array.from(ensemble.labels));
  for (const [m, weight] of weights.entries()) expect(weight).toBeCloseTo(ensemble.weights[m]!, 4);
  expect(weightedLogLoss(mixed(models, weights), ensemble.labels)).toBeLessThan(ensemble.loss + 1e-12);
});

const models = fc.array(
  fc.record({
    skill: fc.double({ min: -2, max: 4, noNaN: true }),
    noise: fc.double({ min: 0, max: 3, noNaN: true }),
    seed: fc.nat(1000),
  }),
  { minLength: 1, maxLength: 6 },
);

test('weights are at least 0 and sum to 1, and the mix is no worse than any model, equal weights or any single shift', () => {
  fc.assert(
    fc.property(models, (specs) => {
      const tables = specs.map((spec) => logits(drawPredictions(labels, spec)));
      const weights = fitWeights(tables, labels);
      const lossOf = (w: readonly number[]): number => weightedLogLoss(mixed(tables, w), labels);
      expect(Math.min(...weights)).toBeGreaterThanOrEqual(0);
      expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      const found = lossOf(weights);
      const least = lossOf(weights.map(() => 1 / weights.length));
      expect(found).toBeLessThan(least + 1e-9);
      for (const [a] of weights.entries()) {
        expect(found).toBeLessThan(lossOf(weights.map((_, m) => (m === a ? 1 : 0))) + 1e-9);
        for (const [b, weight] of weights.entries()) {
          const shift = Math.min(1e-3, weight);
          const moved = weights.map((w, m) => w + (m === a ? shift : 0) - (m === b ? shift : 0));
          expect(found).toBeLessThan(lossOf(moved) + 1e-9);
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('the same model twice, and a model certain of everything, do no harm', () => {
  const one = logits(drawPredictions(labels, { skill: 1, noise: 1, seed: 1 }));
  const sure = logits(Float64Array.from(labels, (label, i) => (i % 7 === 0 ? 1 - label : label)));
  const weights = fitWeights([one, one, sure], labels);
  expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  const alone = weightedLogLoss(mixed([one], [1]), labels);
  expect(weightedLogLoss(mixed([one, one, sure], weights), labels)).toBeLessThan(alone + 1e-9);
});

test('a single model passes through unchanged', () => {
  const values = drawPredictions(labels, { skill: 2, noise: 1, seed: 3 });
  expect(fitWeights([logits(values)], labels)).toEqual([1]);
  const same = mixed([logits(values)], [1]);
  for (const [i, value] of same.entries()) expect(value).toBeCloseTo(values[i]!, 14);
});

let cases = 0;
async function combine(
  given: Record<string, { images: string[]; values: Float64Array }>,
  { method = 'mean', table = '' } = {},
) {
  const at = (name: string): string => join(root, `${cases}-${name}`);
  cases++;
  const artifacts = Object.entries(given).map(([model, table]) => {
    const path = at(`${model}.csv`);
    writePredictions(path, table);
    return { path, axes: { model } };
  });
  writeLabels(at('labels.csv'), { images, values: labels });
  const out = { oof: at('oof.csv'), test: at('test.csv'), fit: at('fit.json') };
  const result = await runTask('tasks/ensemble.ts', {
    params: { method },
    in: { oof: artifacts, test: artifacts, labels: at('labels.csv'), table },
    out,
  });
  return {
    ...result,
    oof: readPredictions(out.oof),
    test: readPredictions(out.test),
    fit: readFileSync(out.fit, 'utf8'),
  };
}

test('the task reports the weights beside every model and equal weights, and mixes oof and test alike', async () => {
  const a = { images, values: drawPredictions(labels, { skill: 2, noise: 2, seed: 1 }) };
  const b = { images, values: drawPredictions(labels, { skill: 1, noise: 1, seed: 2 }) };
  const { oof, test, fit } = await combine({ a, b });
  const { weights, loss } = JSON.parse(fit) as EnsembleFit;
  expect(Object.keys(weights!)).toEqual(['a', 'b']);
  expect(loss.models.a).toBeCloseTo(weightedLogLoss(a.values, labels), 12);
  expect(loss.ensemble).toBeLessThan(Math.min(loss.models.a!, loss.models.b!, loss.equal_weights));
  expect(loss.ensemble).toBe(weightedLogLoss(oof.values, labels));
  expect(test).toEqual(oof);
});

test('different sets of images are an error that names model and images', async () => {
  const values = drawPredictions(labels, { skill: 2, noise: 2, seed: 1 });
  const fewer = { images: images.slice(1), values: values.slice(6) };
  await expect(combine({ a: { images, values }, b: fewer })).rejects.toThrow(
    `the out-of-fold predictions cover different images: b lacks 1 image: ${images[0]} that a has`,
  );
});

describe('stacking', () => {
  // A model whose odds are twice what they should be, and one of noise: the mean cannot put that right.
  const bold = drawPredictions(labels, { skill: 1, noise: 1, seed: 3 }).map((p) => p ** 4 / (p ** 4 + (1 - p) ** 4));
  const noise = drawPredictions(labels, { skill: 0, noise: 1, seed: 4 });

  async function stack(
    a: Float64Array,
    b: Float64Array,
  ): Promise<{ fit: EnsembleFit; oof: Float64Array; test: Float64Array }> {
    await writeTable(join(root, 'table.parquet'), slices);
    const {
      oof,
      test: predicted,
      fit,
    } = await combine(
      { a: { images, values: a }, b: { images, values: b } },
      {
        method: 'stacking',
        table: join(root, 'table.parquet'),
      },
    );
    return { fit: JSON.parse(fit) as EnsembleFit, oof: oof.values, test: predicted.values };
  }

  test('beats the weighted mean where the odds of a model are too bold, by cross-fitted numbers', async () => {
    const { fit, oof } = await stack(bold, noise);
    expect(fit.method).toBe('stacking');
    expect(fit.loss.ensemble).toBeLessThan(fit.loss.mean);
    expect(fit.loss.ensemble).toBeCloseTo(weightedLogLoss(oof, labels), 12);
    for (const name of CLASSES) expect(fit.stacking![name]!.weights.a).toBeLessThan(0.8);
  });

  test('predicts the test images with the fit on all, and the out-of-fold ones without their patients', async () => {
    const { fit, oof, test: predicted } = await stack(bold, noise);
    expect(predicted).toEqual(combineValues([bold, noise], ['a', 'b'], fit));
    // The same images: were they fitted with their own labels, the two would be equal.
    expect(oof).not.toEqual(predicted);
    expect(weightedLogLoss(predicted, labels)).toBeLessThan(weightedLogLoss(oof, labels));
  });
});
