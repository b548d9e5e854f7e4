// Fits the smoothing on out-of-fold predictions: a sigma for each class, and whether `any` is raised to the largest subtype.
import { CLASSES } from '../classes.ts';
import { logLoss, weightedLogLoss } from '../metrics.ts';
import { smoothed } from './gaussian.ts';
import type { Stacks } from './stacks.ts';

export interface Search {
  readonly smallestSigmaMm: number;
  readonly largestSigmaMm: number;
  /** How many sigmas, evenly spaced on a logarithmic scale, are tried before the best one is refined. */
  readonly gridPoints: number;
  readonly toleranceMm: number;
}

export interface SmoothingFit {
  readonly sigmaMm: Record<string, number>;
  readonly raiseAny: boolean;
  /** Log loss of each class and the weighted one, out of fold, untouched and smoothed. */
  readonly before: Record<string, number>;
  readonly after: Record<string, number>;
}

/** `values` and `labels` are (N, 6). Each class's loss is at most that of the untouched predictions. */
export function fitSmoothing(values: Float64Array, labels: Uint8Array, stacks: Stacks, search: Search): SmoothingFit {
  const sigmas = CLASSES.map((_, c) => fitSigma(column(values, c), column(labels, c), stacks, search));
  const sigmaMm = Object.fromEntries(CLASSES.map((name, c) => [name, sigmas[c]!]));
  const plain = applySmoothing(values, stacks, { sigmaMm, raiseAny: false });
  const raised = applySmoothing(values, stacks, { sigmaMm, raiseAny: true });
  const raiseAny = classLoss(raised, labels, 0) < classLoss(plain, labels, 0);
  return {
    sigmaMm,
    raiseAny,
    before: losses(values, labels),
    after: losses(raiseAny ? raised : plain, labels),
  };
}

/** Smooths (N, 6) probabilities with what was fitted. */
export function applySmoothing(
  values: Float64Array,
  stacks: Stacks,
  { sigmaMm, raiseAny }: Pick<SmoothingFit, 'sigmaMm' | 'raiseAny'>,
): Float64Array {
  const width = CLASSES.length;
  const result = new Float64Array(values.length);
  for (const [c, name] of CLASSES.entries()) {
    const smooth = smoothed(column(values, c), stacks, sigmaMm[name]!);
    for (let i = 0; i < smooth.length; i++) result[i * width + c] = smooth[i]!;
  }
  if (raiseAny) {
    for (let i = 0; i < result.length; i += width) result[i] = Math.max(...result.subarray(i, i + width));
  }
  return result;
}

/** The sigma of least loss: a grid, then golden sections between the best one's neighbours. 0 where none beats the untouched. */
function fitSigma(values: Float64Array, labels: Float64Array, stacks: Stacks, search: Search): number {
  const lossAt = (sigma: number): number => meanLoss(smoothed(values, stacks, sigma), labels);
  const { smallestSigmaMm: low, largestSigmaMm: high, gridPoints } = search;
  const grid = Array.from({ length: gridPoints }, (_, i) => low * (high / low) ** (i / (gridPoints - 1)));
  const losses = grid.map(lossAt);
  const best = losses.indexOf(Math.min(...losses));
  const between = [grid[Math.max(best - 1, 0)]!, grid[Math.min(best + 1, gridPoints - 1)]!] as const;
  const refined = goldenSection(lossAt, between, search);
  const [sigma, loss] = refined.y < losses[best]! ? [refined.x, refined.y] : [grid[best]!, losses[best]!];
  return loss < meanLoss(values, labels) ? sigma : 0;
}

/** The least of a function between two points, Kiefer 1953: each step keeps the larger part of a golden section. */
function goldenSection(
  f: (x: number) => number,
  between: readonly [number, number],
  { toleranceMm }: Search,
): { x: number; y: number } {
  let [low, high] = between;
  const ratio = (Math.sqrt(5) - 1) / 2;
  let left = { x: high - ratio * (high - low), y: 0 };
  let right = { x: low + ratio * (high - low), y: 0 };
  left.y = f(left.x);
  right.y = f(right.x);
  while (high - low > toleranceMm) {
    if (left.y <= right.y) {
      high = right.x;
      right = left;
      left = { x: high - ratio * (high - low), y: 0 };
      left.y = f(left.x);
    } else {
      low = left.x;
      left = right;
      right = { x: low + ratio * (high - low), y: 0 };
      right.y = f(right.x);
    }
  }
  return left.y <= right.y ? left : right;
}

function losses(values: Float64Array, labels: Uint8Array): Record<string, number> {
  const each = CLASSES.map((name, c) => [name, classLoss(values, labels, c)]);
  return { weighted: weightedLogLoss(values, labels), ...Object.fromEntries(each) };
}

function classLoss(values: Float64Array, labels: Uint8Array, c: number): number {
  return meanLoss(column(values, c), column(labels, c));
}

function meanLoss(probabilities: Float64Array, labels: Float64Array): number {
  let total = 0;
  for (let i = 0; i < labels.length; i++) total += logLoss(probabilities[i]!, labels[i]!);
  return total / labels.length;
}

function column(values: ArrayLike<number>, c: number): Float64Array {
  const width = CLASSES.length;
  return Float64Array.from({ length: values.length / width }, (_, i) => values[i * width + c]!);
}
