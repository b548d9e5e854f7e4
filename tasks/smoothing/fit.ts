// Fits the smoothing on out-of-fold predictions: a sigma for each class, and whether `any` is raised to the largest subtype.
import { CLASSES } from '../classes.ts';
import { CLIP, logLoss, weightedLogLoss } from '../metrics.ts';
import type { Estimate } from '../statistics/losses.ts';
import { smoothed, smoothInOrder } from './gaussian.ts';
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
  /** Of the weighted loss, with an interval over patients; the task adds it. */
  readonly change?: Estimate;
}

/** `values` and `labels` are (N, 6). Each class's loss is at most that of the untouched predictions. */
export function fitSmoothing(values: Float64Array, labels: Uint8Array, stacks: Stacks, search: Search): SmoothingFit {
  const sigmas = fitSigmas(values, labels, stacks, search);
  const sigmaMm = Object.fromEntries(CLASSES.map((name, c) => [name, sigmas[c]!]));
  const plain = applySmoothing(values, stacks, { sigmaMm, raiseAny: false });
  const raised = withRaisedAny(plain);
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
  return raiseAny ? withRaisedAny(result) : result;
}

function withRaisedAny(values: Float64Array): Float64Array {
  const width = CLASSES.length;
  const result = values.slice();
  for (let i = 0; i < result.length; i += width) {
    for (let c = 1; c < width; c++) result[i] = Math.max(result[i]!, result[i + c]!);
  }
  return result;
}

/**
 * The sigma of least loss for each class: a grid, then golden sections between the best one's neighbours. 0 where none beats
 * the untouched. Images that are in no stack stay as they are whatever the sigma, and are left out.
 */
function fitSigmas(values: Float64Array, labels: Uint8Array, stacks: Stacks, search: Search): number[] {
  const width = CLASSES.length;
  const all = new Float64Array(stacks.rows.length * width);
  const truth = new Uint8Array(all.length);
  for (let i = 0; i < stacks.rows.length; i++) {
    const row = stacks.rows[i]!;
    all.set(values.subarray(row * width, (row + 1) * width), i * width);
    truth.set(labels.subarray(row * width, (row + 1) * width), i * width);
  }
  const { smallestSigmaMm: low, largestSigmaMm: high, gridPoints } = search;
  const grid = Array.from({ length: gridPoints }, (_, i) => low * (high / low) ** (i / (gridPoints - 1)));
  // On the grid the weights serve all classes at once.
  const onGrid = grid.map((sigma) => stridedLosses(smoothInOrder(all, width, stacks, sigma), truth, width));
  const untouched = stridedLosses(all, truth, width);
  return CLASSES.map((_, c) => {
    const [own, ownTruth] = [column(all, c), Uint8Array.from(column(truth, c))];
    const lossAt = (sigma: number): number => stridedLosses(smoothInOrder(own, 1, stacks, sigma), ownTruth, 1)[0]!;
    const lossesOfGrid = onGrid.map((each) => each[c]!);
    const best = lossesOfGrid.indexOf(Math.min(...lossesOfGrid));
    const between = [grid[Math.max(best - 1, 0)]!, grid[Math.min(best + 1, gridPoints - 1)]!] as const;
    const refined = goldenSection(lossAt, between, search);
    const [sigma, loss] = refined.y < lossesOfGrid[best]! ? [refined.x, refined.y] : [grid[best]!, lossesOfGrid[best]!];
    return loss < untouched[c]! ? sigma : 0;
  });
}

/** Factors of a product before its logarithm is taken: at the clip of 1e-15 each, the product stays above 1e-255. */
const FACTORS = 16;

/** The summed log loss of each of `width` columns: one logarithm for sixteen probabilities. Labels are 0 or 1. */
function stridedLosses(probabilities: Float64Array, labels: Uint8Array, width: number): number[] {
  return Array.from({ length: width }, (_, c) => {
    let [total, product, factors] = [0, 1, 0];
    for (let i = c; i < labels.length; i += width) {
      const p = labels[i] === 1 ? probabilities[i]! : 1 - probabilities[i]!;
      product *= Math.max(p, CLIP);
      if (++factors < FACTORS) continue;
      total -= Math.log(product);
      product = 1;
      factors = 0;
    }
    return total - Math.log(product);
  });
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
  const result = new Float64Array(values.length / CLASSES.length);
  for (let i = 0; i < result.length; i++) result[i] = values[i * CLASSES.length + c]!;
  return result;
}
