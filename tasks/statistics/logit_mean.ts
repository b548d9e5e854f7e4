// The weighted mean of several predictions in logit space, and the weights on the simplex that minimise the weighted log loss.
import { CLASS_WEIGHTS, CLASSES } from '../classes.ts';

/** As the metric clips: a certain prediction is a logit of 34.5. */
const CLIP = 1e-15;

/** Logits of (N, 6) probabilities. */
export function logits(probabilities: Float64Array): Float64Array {
  return probabilities.map((value) => {
    const p = Math.min(Math.max(value, CLIP), 1 - CLIP);
    return Math.log(p) - Math.log1p(-p);
  });
}

/** Probabilities (N, 6) of the weighted sum of the models' logits. */
export function mixed(models: readonly Float64Array[], weights: readonly number[]): Float64Array {
  return Float64Array.from(models[0]!, (_, i) => sigmoid(sumAt(models, weights, i)));
}

/**
 * Weights >= 0 that sum to 1 and minimise the weighted log loss of the mix. The loss is convex in the weights (logistic loss of
 * a linear function), so the minimum is found from anywhere: Newton's method, each step the quadratic model's exact minimum on
 * the simplex (Nocedal and Wright, Numerical Optimization, chapter 18), halved until the loss falls. Deterministic.
 */
export function fitWeights(models: readonly Float64Array[], labels: Uint8Array): number[] {
  let weights = models.map(() => 1 / models.length);
  let here = derivatives(models, labels, weights);
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    const target = quadraticMinimum(here, weights);
    const direction = target.map((value, m) => value - weights[m]!);
    const slope = direction.reduce((total, value, m) => total + value * here.gradient[m]!, 0);
    if (slope > -LEAST_DECREASE) break;
    const step = descend(models, labels, { weights, loss: here.loss, direction, slope });
    if (step === undefined) break;
    weights = step;
    here = derivatives(models, labels, weights);
  }
  return weights;
}

const MOST_ITERATIONS = 100;
/** Of the loss, which is about 0.1: where the sum over a million images no longer tells better from worse. */
const LEAST_DECREASE = 1e-14;

interface Derivatives {
  readonly loss: number;
  /** (M,) and (M, M). */
  readonly gradient: number[];
  readonly hessian: number[][];
}

/** Loss, gradient and Hessian in the weights, in one pass over the samples. */
function derivatives(models: readonly Float64Array[], labels: Uint8Array, weights: readonly number[]): Derivatives {
  const gradient = models.map(() => 0);
  const hessian = models.map(() => models.map(() => 0));
  let loss = 0;
  const scale = sampleScale(labels);
  for (let i = 0; i < labels.length; i++) {
    const z = sumAt(models, weights, i);
    const p = sigmoid(z);
    const importance = CLASS_WEIGHTS[i % CLASSES.length]! * scale;
    loss += importance * (softplus(z) - labels[i]! * z);
    for (let m = 0; m < models.length; m++) {
      const own = importance * models[m]![i]!;
      gradient[m] = gradient[m]! + own * (p - labels[i]!);
      const row = hessian[m]!;
      for (let k = 0; k <= m; k++) row[k] = row[k]! + own * models[k]![i]! * p * (1 - p);
    }
  }
  for (let m = 0; m < models.length; m++) for (let k = 0; k < m; k++) hessian[k]![m] = hessian[m]![k]!;
  return { loss, gradient, hessian };
}

/** The minimum over the simplex of the model g.(w - w0) + (w - w0)'H(w - w0)/2: weight goes from one to another while that helps. */
function quadraticMinimum({ gradient, hessian }: Derivatives, start: readonly number[]): number[] {
  const w = [...start];
  const slope = [...gradient];
  for (let sweep = 0; sweep < 10_000; sweep++) {
    let largest = 0;
    for (let a = 0; a < w.length; a++) {
      for (let b = 0; b < a; b++) {
        const bend = hessian[a]![a]! - 2 * hessian[a]![b]! + hessian[b]![b]!;
        const wanted = bend > 0 ? (slope[b]! - slope[a]!) / bend : Math.sign(slope[b]! - slope[a]!);
        const shift = Math.min(Math.max(wanted, -w[a]!), w[b]!);
        w[a] = w[a]! + shift;
        w[b] = w[b]! - shift;
        for (let m = 0; m < w.length; m++) slope[m] = slope[m]! + shift * (hessian[m]![a]! - hessian[m]![b]!);
        largest = Math.max(largest, Math.abs(shift));
      }
    }
    if (largest < 1e-15) break;
  }
  return onSimplex(w);
}

/** The first of full, half, quarter… steps whose decrease is a fair part of what the slope promises (Armijo). */
function descend(
  models: readonly Float64Array[],
  labels: Uint8Array,
  at: { weights: readonly number[]; loss: number; direction: readonly number[]; slope: number },
): number[] | undefined {
  for (let step = 1; step > 1e-9; step /= 2) {
    const weights = onSimplex(at.weights.map((value, m) => value + step * at.direction[m]!));
    if (lossAt(models, labels, weights) <= at.loss + 1e-4 * step * at.slope) return weights;
  }
  return undefined;
}

function lossAt(models: readonly Float64Array[], labels: Uint8Array, weights: readonly number[]): number {
  const scale = sampleScale(labels);
  let loss = 0;
  for (let i = 0; i < labels.length; i++) {
    const z = sumAt(models, weights, i);
    loss += CLASS_WEIGHTS[i % CLASSES.length]! * scale * (softplus(z) - labels[i]! * z);
  }
  return loss;
}

/** Takes away what rounding left below 0 and beside a sum of 1. */
function onSimplex(weights: readonly number[]): number[] {
  const positive = weights.map((value) => Math.max(value, 0));
  const total = positive.reduce((a, b) => a + b, 0);
  return positive.map((value) => value / total);
}

function sampleScale(labels: Uint8Array): number {
  return CLASSES.length / labels.length / CLASS_WEIGHTS.reduce((a: number, b) => a + b, 0);
}

function sumAt(models: readonly Float64Array[], weights: readonly number[], i: number): number {
  let z = 0;
  for (let m = 0; m < models.length; m++) z += weights[m]! * models[m]![i]!;
  return z;
}

export function sigmoid(z: number): number {
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
}

/** log(1 + e^z) without overflow. */
function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}
