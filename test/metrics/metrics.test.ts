import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  auc,
  averagePrecision,
  ece,
  prCurve,
  rank,
  rankMetrics,
  rocCurve,
  sensitivityAtSpecificity,
  weightedLogLoss,
} from '../../tasks/metrics.ts';
import { bootstrap, quantile } from '../../tasks/statistics/bootstrap.ts';

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

describe('bootstrap', () => {
  const draws = { groupOf: Uint32Array.from([0, 0, 1, 2, 2, 2]), groups: 3, replicates: 400, seed: 1 };

  test('a group is drawn whole, and each replicate draws as many groups as there are', () => {
    bootstrap(draws, (drawn) => {
      expect(drawn[0]).toBe(drawn[1]);
      expect(drawn[3]).toBe(drawn[4]);
      expect(drawn[4]).toBe(drawn[5]);
      expect(drawn[0]! + drawn[2]! + drawn[3]!).toBe(3);
      return [];
    });
  });

  test('the interval of a mean of independent values is that of the normal approximation', () => {
    const n = 400;
    const values = Float64Array.from({ length: n }, (_, i) => i / (n - 1));
    const each = { groupOf: Uint32Array.from(values, (_, i) => i), groups: n, replicates: 2000, seed: 3 };
    const [interval] = bootstrap(each, (drawn) => [drawn.reduce((sum, times, i) => sum + times * values[i]!, 0) / n]);
    const standardError = Math.sqrt(1 / 12 / n);
    expect(interval!.low).toBeCloseTo(0.5 - 1.96 * standardError, 2);
    expect(interval!.high).toBeCloseTo(0.5 + 1.96 * standardError, 2);
  });

  test('replicates without a value do not count, and the seed decides', () => {
    const statistic = (drawn: Uint16Array): number[] => [drawn[2] === 0 ? Number.NaN : drawn[2]!, Number.NaN];
    const found = bootstrap(draws, statistic);
    expect(found[0]!.low).toBeGreaterThanOrEqual(1);
    expect(found[1]!.low).toBeNaN();
    expect(bootstrap(draws, statistic)).toEqual(found);
  });
});
