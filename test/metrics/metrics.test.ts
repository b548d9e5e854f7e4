import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  auc,
  averagePrecision,
  ece,
  prCurve,
  rank,
  rankMetrics,
  rocCurve,
  sensitivityAtSpecificity,
  sortedByComparison,
  sortedByRadix,
  weightedLogLoss,
} from '../../tasks/metrics.ts';
import { BLOCK, type Draws, intervalOf, meanReplicates, quantile, timesOf } from '../../tasks/statistics/draws.ts';
import { classReplicates } from '../../tasks/statistics/rank_bootstrap.ts';
import { mapOnThreads } from '../../tasks/statistics/threads.ts';

interface Ranked {
  name: string;
  scores: number[];
  labels: number[];
  auc: number;
  averagePrecision: number;
  sensitivity: number;
  ece: number;
  roc: [number[], number[]];
  pr: [number[], number[]];
}

// Made by scikit-learn and NumPy: test/oracles/statistics/metrics.py.
const golden = JSON.parse(
  readFileSync(new URL('../oracles/statistics/golden/metrics.json', import.meta.url), 'utf8'),
) as {
  logLoss: { probabilities: number[]; labels: number[]; expected: number };
  ranked: Ranked[];
  quantile: { values: number[]; expected: number[] };
};

function expectClose(found: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  expect(found.length).toBe(expected.length);
  const worst = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)));
  expect(worst).toBeLessThan(tolerance);
}

describe('against scikit-learn', () => {
  test('weighted log loss, with certain and wrong predictions clipped', () => {
    const { probabilities, labels, expected } = golden.logLoss;
    expect(probabilities.some((p, i) => p === 0 && labels[i] === 1)).toBe(true);
    expectClose([weightedLogLoss(probabilities, labels)], [expected]);
  });

  test.each(golden.ranked)('AUC, average precision, sensitivity and calibration error: $name', (row) => {
    expectClose([auc(row.scores, row.labels)], [row.auc]);
    expectClose([averagePrecision(row.scores, row.labels)], [row.averagePrecision]);
    expectClose([sensitivityAtSpecificity(row.scores, row.labels)], [row.sensitivity]);
    expectClose([ece(row.scores, row.labels)], [row.ece]);
  });

  test.each(golden.ranked)('curves: $name', ({ scores, labels, roc, pr }) => {
    const found = rocCurve(scores, labels);
    expectClose(found.x, roc[0]);
    expectClose(found.y, roc[1]);
    // scikit-learn stops where recall is 1: what follows it are points of lower precision.
    const own = prCurve(scores, labels);
    expectClose(own.x.slice(0, pr[0].length), pr[0]);
    expectClose(own.y.slice(0, pr[1].length), pr[1]);
  });

  test('quantiles are those of NumPy', () => {
    const sorted = Float64Array.from(golden.quantile.values).sort();
    expectClose(
      [0.025, 0.5, 0.975].map((q) => quantile(sorted, q)),
      golden.quantile.expected,
    );
  });
});

const samples = fc.array(fc.record({ score: fc.integer({ min: 0, max: 9 }), label: fc.integer({ min: 0, max: 1 }) }), {
  minLength: 1,
  maxLength: 60,
});

test('AUC is the share of pairs of a positive and a negative in the right order, ties counting half', () => {
  fc.assert(
    fc.property(samples, (rows) => {
      const positives = rows.filter((row) => row.label === 1);
      const negatives = rows.filter((row) => row.label === 0);
      let right = 0;
      for (const p of positives) {
        for (const n of negatives) right += p.score > n.score ? 1 : p.score === n.score ? 0.5 : 0;
      }
      const found = auc(
        rows.map((row) => row.score),
        rows.map((row) => row.label),
      );
      const expected = right / positives.length / negatives.length;
      if (Number.isNaN(expected)) expect(found).toBeNaN();
      else expect(found).toBeCloseTo(expected, 12);
    }),
  );
});

test('a weight of n is the same as the sample standing n times', () => {
  const weighted = fc.array(
    fc.tuple(
      samples.map((rows) => rows[0]!),
      fc.integer({ min: 0, max: 3 }),
    ),
    { minLength: 2 },
  );
  fc.assert(
    fc.property(weighted, (rows) => {
      const scores = rows.map(([row]) => row.score / 9);
      const labels = rows.map(([row]) => row.label);
      const times = rows.map(([, n]) => n);
      const repeated = rows.flatMap(([row, n]) => new Array<typeof row>(n).fill(row));
      const [longScores, longLabels] = [repeated.map((row) => row.score / 9), repeated.map((row) => row.label)];
      fc.pre(longLabels.includes(0) && longLabels.includes(1));
      const [a, b] = [rankMetrics(rank(scores), labels, times), rankMetrics(rank(longScores), longLabels)];
      expect(a.auc).toBeCloseTo(b.auc, 12);
      expect(a.averagePrecision).toBeCloseTo(b.averagePrecision, 12);
      expect(a.sensitivity).toBeCloseTo(b.sensitivity, 12);
      expect(ece(scores, labels, times)).toBeCloseTo(ece(longScores, longLabels), 12);
    }),
  );
});

test('without one of the classes, or with a NaN among the scores, an AUC is NaN', () => {
  expect(auc([0.1, 0.2], [1, 1])).toBeNaN();
  expect(auc([0.1, 0.2], [0, 0])).toBeNaN();
  expect(auc([], [])).toBeNaN();
  expect(auc([0.1, Number.NaN, 0.3], [0, 1, 1])).toBeNaN();
});

test('the two ways of sorting agree, ties in the order of the samples', () => {
  const score = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, -0, 0.5, 1, -1, Infinity, -Infinity));
  fc.assert(
    fc.property(fc.array(score, { maxLength: 200 }), (scores) => {
      expect(sortedByRadix(scores)).toEqual(sortedByComparison(scores));
    }),
    { numRuns: 200 },
  );
});

describe('bootstrap', () => {
  test('each replicate draws as many groups as there are, and the seed decides which', () => {
    const draws: Draws = { groupOf: new Uint32Array(), groups: 37, replicates: 16, seed: 1 };
    const times = timesOf(draws, 0);
    for (let r = 0; r < BLOCK; r++) expect(times.filter((_, i) => i % BLOCK === r).reduce((a, b) => a + b)).toBe(37);
    expect(timesOf(draws, 0)).toEqual(times);
    expect(timesOf(draws, 1)).not.toEqual(times);
    expect(timesOf({ ...draws, seed: 2 }, 0)).not.toEqual(times);
  });

  test('the interval of a mean of independent values is that of the normal approximation', () => {
    const n = 400;
    const values = Float64Array.from({ length: n }, (_, i) => i / (n - 1));
    const each: Draws = { groupOf: Uint32Array.from(values, (_, i) => i), groups: n, replicates: 2000, seed: 3 };
    const interval = intervalOf(meanReplicates(values, each));
    const standardError = Math.sqrt(1 / 12 / n);
    expect(interval.low).toBeCloseTo(0.5 - 1.96 * standardError, 2);
    expect(interval.high).toBeCloseTo(0.5 + 1.96 * standardError, 2);
  });

  test('replicates without a value do not count', () => {
    expect(intervalOf(Float64Array.from([Number.NaN, 2, Number.NaN]))).toEqual({ low: 2, high: 2 });
    expect(intervalOf(Float64Array.from([Number.NaN])).low).toBeNaN();
  });

  const sample = fc.record({
    score: fc.integer({ min: 0, max: 12 }),
    label: fc.integer({ min: 0, max: 1 }),
    group: fc.nat(6),
  });
  test('each replicate of a class has the metrics of its samples, as often as their group was drawn', () => {
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 80 }), fc.nat(99), (rows, seed) => {
        const scores = Float64Array.from(rows, (row) => row.score / 12);
        const labels = Uint8Array.from(rows, (row) => row.label);
        const draws: Draws = { groupOf: Uint32Array.from(rows, (row) => row.group), groups: 7, replicates: 20, seed };
        const found = classReplicates({ scores, labels }, draws);
        for (let r = 0; r < 20; r++) {
          const times = timesOf(draws, Math.floor(r / BLOCK));
          const weights = rows.map((row) => times[row.group * BLOCK + (r % BLOCK)]!);
          const expected = rankMetrics(rank(scores), labels, weights);
          const values = [expected.auc, expected.averagePrecision, expected.sensitivity, ece(scores, labels, weights)];
          for (const [s, value] of values.entries()) {
            if (Number.isNaN(value)) expect(found[s * 20 + r]).toBeNaN();
            else expect(found[s * 20 + r]).toBeCloseTo(value, 12);
          }
        }
      }),
    );
  });

  test('patients drawn many times do not overflow the packed counts', () => {
    const random = Array.from({ length: 5000 }, (_, i) => Math.sin(i * 12.9898) * 43758.5453).map(
      (x) => x - Math.floor(x),
    );
    const scores = Float64Array.from(random);
    const labels = Uint8Array.from(random, (x, i) => (x > 0.7 && i % 3 === 0 ? 1 : 0));
    // One patient has nearly all images.
    const draws: Draws = {
      groupOf: Uint32Array.from(random, (_, i) => (i < 4900 ? 0 : 1 + (i % 2))),
      groups: 3,
      replicates: 32,
      seed: 5,
    };
    const found = classReplicates({ scores, labels }, draws);
    for (let r = 0; r < 32; r++) {
      const times = timesOf(draws, Math.floor(r / BLOCK));
      const weights = [...draws.groupOf].map((g) => times[g * BLOCK + (r % BLOCK)]!);
      expect(found[r]).toBeCloseTo(rankMetrics(rank(scores), labels, weights).auc, 12);
    }
  });
});

test('jobs on threads come back in their order, as many threads as there are', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dag-threads-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'entry.mjs'), 'export const double = (job) => 2 * job;\n');
  const entry = pathToFileURL(join(folder, 'entry.mjs')).href;
  const jobs = Array.from({ length: 20 }, (_, i) => i);
  const seen: number[] = [];
  const options = {
    module: entry,
    signal: new AbortController().signal,
    progress: (done: number) => void seen.push(done),
  };
  const double = (job: number): number => 2 * job;
  const one = await mapOnThreads(jobs, 20, double, 'double', { ...options, cores: 1 });
  const three = await mapOnThreads(jobs, 20, double, 'double', { ...options, cores: 3 });
  expect(one).toEqual(jobs.map(double));
  expect(three).toEqual(one);
  expect(seen).toEqual([...jobs, ...jobs].map((i) => i + 1));
});
