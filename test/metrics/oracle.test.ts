// Statistics against scikit-learn and SciPy: numbers that test/oracles/statistics/metrics.py made, and made again where it can run.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CLASSES } from '../../tasks/classes.ts';
import { assignFolds } from '../../tasks/folds/assign.ts';
import { ece, rank, rankMetrics } from '../../tasks/metrics.ts';
import { calibrationBins } from '../../tasks/plots/calibration.ts';
import { fitSmoothing } from '../../tasks/smoothing/fit.ts';
import { stacksOf } from '../../tasks/smoothing/stacks.ts';
import { logits } from '../../tasks/statistics/logit_mean.ts';
import { fitStacking } from '../../tasks/statistics/stacking.ts';

const script = fileURLToPath(new URL('../oracles/statistics/metrics.py', import.meta.url));
const golden = JSON.parse(readFileSync(new URL('../oracles/statistics/golden/metrics.json', import.meta.url), 'utf8'));

/** The largest difference of two nested arrays of numbers; Infinity where their shapes differ. */
function difference(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b ? 0 : Infinity;
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = [...new Set([...Object.keys(x), ...Object.keys(y)])];
  return Math.max(0, ...names.map((name) => (name in x && name in y ? difference(x[name], y[name]) : Infinity)));
}

test('a replicate of the bootstrap, by the multiplicity of its patients', () => {
  const { group, scores, labels, replicates } = golden.weighted;
  for (const { times, auc, averagePrecision, sensitivity, ece: error } of replicates) {
    const weights = group.map((g: number) => times[g]);
    const found = rankMetrics(rank(scores), labels, weights);
    expect(
      difference({ ...found, ece: ece(scores, labels, weights) }, { auc, averagePrecision, sensitivity, ece: error }),
    ).toBeLessThan(1e-12);
  }
});

test('the bins of a reliability diagram', () => {
  const { scores, labels, observed, predicted } = golden.reliability;
  const bins = calibrationBins('any', scores, labels);
  expect(
    difference(
      bins.map((bin) => bin.observed),
      observed,
    ),
  ).toBeLessThan(1e-12);
  expect(
    difference(
      bins.map((bin) => bin.predicted),
      predicted,
    ),
  ).toBeLessThan(1e-12);
});

test("the smoothing's width has the loss that a bounded minimiser finds", () => {
  const { values, labels, positions, loss, untouched } = golden.smoothingFit as {
    values: number[][];
    labels: number[][];
    positions: number[];
    loss: number;
    untouched: number;
  };
  const table = values.flatMap((_, s) =>
    positions.map((at, i) => ({
      Image: `${s}-${i}`,
      StudyInstanceUID: `${s}`,
      SeriesInstanceUID: null,
      ImagePositionPatient_2: at,
    })),
  );
  const everywhere = <T>(of: number[][], make: (all: number[]) => T): T =>
    make(of.flat().flatMap((value) => CLASSES.map(() => value)));
  const fit = fitSmoothing(
    everywhere(values, (all) => Float64Array.from(all)),
    everywhere(labels, (all) => Uint8Array.from(all)),
    stacksOf(
      table.map((row) => row.Image),
      table,
    ),
    { smallestSigmaMm: 1, largestSigmaMm: 20, gridPoints: 12, toleranceMm: 1e-6 },
  );
  for (const name of CLASSES) {
    expect(Math.abs(fit.before[name]! - untouched)).toBeLessThan(1e-12);
    // The reach of 3.5 sigma leaves steps in the loss: a golden section may stop beside one.
    expect(fit.after[name]! - loss).toBeLessThan(1e-4);
    expect(fit.after[name]! - loss).toBeGreaterThan(-1e-5);
  }
});

test('the coefficients of stacking', () => {
  const { models, labels } = golden.ensemble as { models: number[][]; labels: number[] };
  const odds = models.map((values) => logits(Float64Array.from(values)));
  const found = fitStacking(odds, Uint8Array.from(labels)).map(({ intercept, weights }) => [intercept, ...weights]);
  expect(difference(found, golden.stacking)).toBeLessThan(1e-9);
});

test('folds are spread more evenly than those of StratifiedGroupKFold', () => {
  const { patients, imbalance } = golden.folds as { patients: number[][]; imbalance: number[] };
  const list = patients.map((counts, i) => ({ id: `P${i}`, counts }));
  const foldOf = assignFolds(list, 5, 1);
  for (const [c, theirs] of imbalance.entries()) {
    const shares = [0, 0, 0, 0, 0];
    for (const [i, counts] of patients.entries()) shares[foldOf[i]!]! += counts[c]!;
    const total = shares.reduce((a, b) => a + b);
    expect(shares.reduce((sum, share) => sum + (share / total) ** 2, 0)).toBeLessThanOrEqual(theirs + 1e-3);
  }
});

const python = '/usr/bin/python3';
const canRun = spawnSync(python, ['-c', 'import sklearn, scipy']).status === 0;

test.runIf(canRun)(
  'the numbers are those that scikit-learn and SciPy give here and now',
  () => {
    const { stdout, status } = spawnSync(python, [script], { encoding: 'utf8', maxBuffer: 1 << 26 });
    expect(status).toBe(0);
    const now = JSON.parse(stdout) as typeof golden;
    // Another version of scikit-learn may deal out its folds in another way; where a minimiser stops depends on the processor.
    const apart = { folds: 0, ensemble: 0 };
    expect(difference({ ...now, ...apart }, { ...golden, ...apart })).toBeLessThan(1e-9);
    expect(difference(now.ensemble, golden.ensemble)).toBeLessThan(1e-6);
  },
  120_000,
);
