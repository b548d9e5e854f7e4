// The confusion of one class at an operating point: the threshold of highest sensitivity whose specificity is at least 90 %.
import { rank } from '../metrics.ts';

export interface OperatingPoint {
  /** Positive from this probability on. */
  readonly threshold: number;
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly tn: number;
}

/** Undefined where a class is absent. Scores and labels are (N,). */
export function operatingPoint(
  scores: Float64Array,
  labels: Uint8Array,
  specificity = 0.9,
): OperatingPoint | undefined {
  let positives = 0;
  for (const label of labels) positives += label;
  const negatives = labels.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  const { order, ends } = rank(scores);
  // The slack is rounding's: 1 - 0.9 is not 0.1.
  const mostFalse = (1 - specificity + 1e-9) * negatives;
  let [tp, fp] = [0, 0];
  let found = { threshold: Number.POSITIVE_INFINITY, tp: 0, fp: 0 };
  for (let i = 0; i < order.length; i++) {
    const at = order[i]!;
    if (labels[at] === 1) tp++;
    else fp++;
    if (fp > mostFalse) break;
    if (ends[i] === 1 && tp > found.tp) found = { threshold: scores[at]!, tp, fp };
  }
  return { ...found, fn: positives - found.tp, tn: negatives - found.fp };
}
