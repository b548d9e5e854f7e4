// Stacking: for each class a ridge logistic regression of the label on the models' log odds, by Newton's method.
// Wolpert 1992; its out-of-fold numbers come from cross-fitting over groups of patients, for it has more to overfit with
// than the weighted mean.
import { createHash } from 'node:crypto';
import { CLASSES } from '../classes.ts';
import { sigmoid } from './logit_mean.ts';

export interface Regression {
  readonly intercept: number;
  readonly weights: readonly number[];
}

/** Penalty on the squared distance of the weights from the equal-weight mean, in units of one sample's log loss. */
const RIDGE = 1;
const MOST_STEPS = 50;

/**
 * One regression a class on (N, 6) log odds. `use` tells which samples to fit on. The penalty pulls to the equal-weight mean, so
 * that a class with few positives stays near it.
 */
export function fitStacking(
  models: readonly Float64Array[],
  labels: Uint8Array,
  use?: (sample: number) => boolean,
): Regression[] {
  return CLASSES.map((_, c) => fitClass(models, labels, c, use));
}

function fitClass(
  models: readonly Float64Array[],
  labels: Uint8Array,
  c: number,
  use: ((sample: number) => boolean) | undefined,
): Regression {
  const equal = [0, ...models.map(() => 1 / models.length)];
  let beta = equal;
  let here = derivatives(models, labels, c, beta, equal, use);
  for (let step = 0; step < MOST_STEPS; step++) {
    const direction = solve(here.hessian, here.gradient);
    const decrease = direction.reduce((sum, value, i) => sum + value * here.gradient[i]!, 0);
    if (decrease < 1e-9 * Math.max(1, here.loss)) {
      // So near, a full step squares the error: what is left is rounding.
      beta = beta.map((value, i) => value - direction[i]!);
      break;
    }
    let accepted = false;
    for (let size = 1; size > 1e-8 && !accepted; size /= 2) {
      const next = beta.map((value, i) => value - size * direction[i]!);
      const there = derivatives(models, labels, c, next, equal, use);
      if (there.loss > here.loss - 1e-4 * size * decrease) continue;
      beta = next;
      here = there;
      accepted = true;
    }
    if (!accepted) break;
  }
  return { intercept: beta[0]!, weights: beta.slice(1) };
}

/** Of the penalised sum of log losses over one class. */
function derivatives(
  models: readonly Float64Array[],
  labels: Uint8Array,
  c: number,
  beta: readonly number[],
  prior: readonly number[],
  use: ((sample: number) => boolean) | undefined,
): { loss: number; gradient: number[]; hessian: number[][] } {
  const size = beta.length;
  const off = beta.map((value, i) => value - prior[i]!);
  // The intercept is free, but for a trace that keeps the system solvable where a class never varies.
  const ridge = beta.map((_, i): number => (i === 0 ? 1e-6 : RIDGE));
  let loss = off.reduce((sum, value, i) => sum + (ridge[i]! * value * value) / 2, 0);
  const gradient = off.map((value, i) => ridge[i]! * value);
  const hessian = beta.map((_, i) => beta.map((__, j) => (i === j ? ridge[i]! : 0)));
  const x = new Array<number>(size).fill(1);
  for (let i = c; i < labels.length; i += CLASSES.length) {
    if (use !== undefined && !use((i - c) / CLASSES.length)) continue;
    for (let m = 1; m < size; m++) x[m] = models[m - 1]![i]!;
    let odds = 0;
    for (let m = 0; m < size; m++) odds += beta[m]! * x[m]!;
    const p = sigmoid(odds);
    loss += Math.max(odds, 0) + Math.log1p(Math.exp(-Math.abs(odds))) - labels[i]! * odds;
    for (let m = 0; m < size; m++) {
      gradient[m] = gradient[m]! + (p - labels[i]!) * x[m]!;
      const row = hessian[m]!;
      for (let k = 0; k <= m; k++) row[k] = row[k]! + p * (1 - p) * x[m]! * x[k]!;
    }
  }
  for (let m = 0; m < size; m++) for (let k = 0; k < m; k++) hessian[k]![m] = hessian[m]![k]!;
  return { loss, gradient, hessian };
}

/** A x = b for a symmetric positive definite A, by Cholesky. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = b.length;
  const l = a.map((row) => row.map(() => 0));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let value = a[i]![j]!;
      for (let k = 0; k < j; k++) value -= l[i]![k]! * l[j]![k]!;
      l[i]![j] = i === j ? Math.sqrt(value) : value / l[j]![j]!;
    }
  }
  const y = b.map(() => 0);
  for (let i = 0; i < n; i++) {
    let value = b[i]!;
    for (let k = 0; k < i; k++) value -= l[i]![k]! * y[k]!;
    y[i] = value / l[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    let value = y[i]!;
    for (let k = i + 1; k < n; k++) value -= l[k]![i]! * y[k]!;
    y[i] = value / l[i]![i]!;
  }
  return y;
}

/** Which of `groups` parts of the patients each is in, by a hash of its ID: the same whatever other patients there are. */
export function partOf(patient: string, groups: number): number {
  return createHash('sha256').update(patient).digest().readUInt32BE(0) % groups;
}
