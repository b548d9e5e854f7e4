// The metrics of the pipeline on plain arrays: weighted log loss, AUC, average precision, curves, sensitivity, calibration.
// All take optional weights (how often a sample was drawn), so that a bootstrap sorts the scores once and not per replicate.
import { CLASS_WEIGHTS } from './classes.ts';

type Numbers = ArrayLike<number>;

/** The clip of the competition's metric: a certain and wrong prediction costs 34.5, not infinity. */
export const CLIP = 1e-15;

/** Binary cross-entropy of one probability, clipped. Labels may be soft (0..1). */
export function logLoss(probability: number, label: number): number {
  const p = Math.min(Math.max(probability, CLIP), 1 - CLIP);
  return -(label * Math.log(p) + (1 - label) * Math.log1p(-p));
}

/**
 * Weighted multi-label log loss, the mean over samples of the weighted mean over classes.
 * `probabilities` and `labels` are (N, C) row-major, C = `classWeights.length`; NaN when N is 0.
 * https://www.kaggle.com/c/rsna-intracranial-hemorrhage-detection/overview/evaluation
 */
export function weightedLogLoss(
  probabilities: Numbers,
  labels: Numbers,
  classWeights: readonly number[] = CLASS_WEIGHTS,
): number {
  const classes = classWeights.length;
  if (probabilities.length !== labels.length || labels.length % classes !== 0) {
    throw new RangeError(
      `weightedLogLoss: ${probabilities.length} probabilities, ${labels.length} labels, ${classes} classes`,
    );
  }
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    total += classWeights[i % classes]! * logLoss(probabilities[i]!, labels[i]!);
  }
  return total / classWeights.reduce((a, b) => a + b, 0) / (labels.length / classes);
}

/** Samples by descending score. `ends[i]` is 1 where the i-th is the last of its score: ties are decided together. */
export interface Ranking {
  readonly order: Uint32Array;
  readonly ends: Uint8Array;
}

export function rank(scores: Numbers): Ranking {
  const order = scores.length < FEW ? sortedByComparison(scores) : sortedByRadix(scores);
  const ends = new Uint8Array(order.length);
  for (let i = 0; i < order.length; i++) {
    ends[i] = i + 1 < order.length && scores[order[i + 1]!] === scores[order[i]!] ? 0 : 1;
  }
  return { order, ends };
}

/** Where clearing the radix sort's tables costs more than a sort by comparison. */
const FEW = 20_000;
const DIGIT_BITS = 16;

/** Both keep equal scores in the order of the samples. */
export function sortedByComparison(scores: Numbers): Uint32Array {
  return Uint32Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
}

/** Least digit first, over the bits of a double turned so that they descend as the numbers do. */
export function sortedByRadix(scores: Numbers): Uint32Array {
  const n = scores.length;
  const bits = new Uint32Array(2 * n);
  const doubles = new Float64Array(bits.buffer);
  for (let i = 0; i < n; i++) doubles[i] = scores[i]! + 0; // -0 becomes 0.
  for (let i = 0; i < n; i++) {
    if (bits[2 * i + 1]! >>> 31 === 1) continue; // Negative: larger bits are smaller numbers already.
    bits[2 * i] = ~bits[2 * i]!;
    bits[2 * i + 1] = ~bits[2 * i + 1]! & 0x7fffffff;
  }
  let order: Uint32Array = Uint32Array.from({ length: n }, (_, i) => i);
  let sorted: Uint32Array = new Uint32Array(n);
  const starts = new Uint32Array((1 << DIGIT_BITS) + 1);
  for (let digit = 0; digit < 4; digit++) {
    const word = digit >> 1;
    const shift = (digit & 1) * DIGIT_BITS;
    starts.fill(0);
    for (let i = 0; i < n; i++) starts[((bits[2 * i + word]! >>> shift) & 0xffff) + 1]! += 1;
    for (let d = 1; d < starts.length; d++) starts[d]! += starts[d - 1]!;
    for (let i = 0; i < n; i++) {
      const at = order[i]!;
      const key = (bits[2 * at + word]! >>> shift) & 0xffff;
      sorted[starts[key]!] = at;
      starts[key]! += 1;
    }
    [order, sorted] = [sorted, order];
  }
  return order;
}

export interface RankMetrics {
  readonly auc: number;
  readonly averagePrecision: number;
  /** The highest sensitivity of any threshold whose specificity is at least the asked one. */
  readonly sensitivity: number;
}

/**
 * What depends on the order of the scores only, in one pass. Labels are 0 or 1. All NaN when a class is absent.
 * AUC is the trapezoid's (equal to Mann-Whitney with midranks); average precision is sum (R_n - R_(n-1)) P_n, as scikit-learn's.
 */
export function rankMetrics(ranking: Ranking, labels: Numbers, weights?: Numbers, specificity = 0.9): RankMetrics {
  const [positives, negatives] = totals(labels, weights);
  if (positives === 0 || negatives === 0) {
    return { auc: Number.NaN, averagePrecision: Number.NaN, sensitivity: Number.NaN };
  }
  // The slack is rounding's: 1 - 0.9 is not 0.1.
  const mostFalse = (1 - specificity + 1e-9) * negatives;
  const { order, ends } = ranking;
  let [area, precision, sensitivity] = [0, 0, 0];
  let [tp, fp, lastTp, lastFp] = [0, 0, 0, 0];
  // A loop of its own rather than `eachThreshold`: a bootstrap runs it some billions of times.
  for (let i = 0; i < order.length; i++) {
    const at = order[i]!;
    const weight = weights === undefined ? 1 : weights[at]!;
    if (labels[at] === 1) tp += weight;
    else fp += weight;
    if (ends[i] === 0) continue;
    area += ((fp - lastFp) * (tp + lastTp)) / 2;
    if (tp > lastTp) precision += ((tp - lastTp) * tp) / (tp + fp);
    if (fp <= mostFalse) sensitivity = tp / positives;
    lastTp = tp;
    lastFp = fp;
  }
  return { auc: area / positives / negatives, averagePrecision: precision / positives, sensitivity };
}

/** Area under the ROC curve, ties by midrank. NaN when all labels are equal or a score is NaN. */
export function auc(scores: Numbers, labels: Numbers): number {
  return hasNaN(scores) ? Number.NaN : rankMetrics(rank(scores), labels).auc;
}

/** Average precision (no interpolation). NaN as `auc`. */
export function averagePrecision(scores: Numbers, labels: Numbers): number {
  return hasNaN(scores) ? Number.NaN : rankMetrics(rank(scores), labels).averagePrecision;
}

/** Sensitivity at a specificity of at least `specificity`. NaN as `auc`. */
export function sensitivityAtSpecificity(scores: Numbers, labels: Numbers, specificity = 0.9): number {
  return hasNaN(scores) ? Number.NaN : rankMetrics(rank(scores), labels, undefined, specificity).sensitivity;
}

/** A curve's points, one a threshold (predict positive where score >= threshold), from the strictest. */
export interface Curve {
  readonly x: number[];
  readonly y: number[];
  readonly threshold: number[];
}

/** x: false positive rate, y: true positive rate; begins at (0, 0) with threshold Infinity. Empty when a class is absent. */
export function rocCurve(scores: Numbers, labels: Numbers): Curve {
  const [positives, negatives] = totals(labels);
  const curve: Curve = { x: [], y: [], threshold: [] };
  if (positives === 0 || negatives === 0) return curve;
  push(curve, 0, 0, Number.POSITIVE_INFINITY);
  eachThreshold(rank(scores), labels, (tp, fp, at) => push(curve, fp / negatives, tp / positives, scores[at]!));
  return curve;
}

/** x: recall, y: precision. Empty when there are no positives. */
export function prCurve(scores: Numbers, labels: Numbers): Curve {
  const [positives] = totals(labels);
  const curve: Curve = { x: [], y: [], threshold: [] };
  if (positives === 0) return curve;
  eachThreshold(rank(scores), labels, (tp, fp, at) => push(curve, tp / positives, tp / (tp + fp), scores[at]!));
  return curve;
}

/**
 * Expected calibration error over bins of equal width: the mean of |mean probability - frequency|, weighted by bin size.
 * Guo et al. 2017 (https://arxiv.org/abs/1706.04599), 15 bins as there. NaN without samples.
 */
export function ece(probabilities: Numbers, labels: Numbers, weights?: Numbers, bins = 15): number {
  const gap = new Float64Array(bins);
  let count = 0;
  for (let i = 0; i < labels.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!;
    const bin = Math.min(Math.floor(probabilities[i]! * bins), bins - 1);
    gap[bin] = gap[bin]! + weight * (probabilities[i]! - labels[i]!);
    count += weight;
  }
  return gap.reduce((sum, value) => sum + Math.abs(value), 0) / count;
}

function eachThreshold(
  { order, ends }: Ranking,
  labels: Numbers,
  visit: (tp: number, fp: number, sample: number) => void,
): void {
  let [tp, fp] = [0, 0];
  for (let i = 0; i < order.length; i++) {
    const at = order[i]!;
    if (labels[at] === 1) tp++;
    else fp++;
    if (ends[i] === 1) visit(tp, fp, at);
  }
}

function totals(labels: Numbers, weights?: Numbers): [positives: number, negatives: number] {
  let [positives, negatives] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!;
    if (labels[i] === 1) positives += weight;
    else negatives += weight;
  }
  return [positives, negatives];
}

function hasNaN(values: Numbers): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return true;
  return false;
}

function push(curve: Curve, x: number, y: number, threshold: number): void {
  curve.x.push(x);
  curve.y.push(y);
  curve.threshold.push(threshold);
}
