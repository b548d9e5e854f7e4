// The weighted log loss of each image, and how much it changes between two sets of predictions, with a bootstrap of patients.
import { CLASS_WEIGHTS, CLASSES } from '../classes.ts';
import { logLoss } from '../metrics.ts';
import { type Draws, intervalOf, meanReplicates } from './draws.ts';

/** A number and its 95 % interval; null where it is not defined, as an AUC without positives. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** (N,) from (N, 6) each; their mean is the metric. */
export function imageLosses(values: Float64Array, labels: Uint8Array): Float64Array {
  const width = CLASSES.length;
  const total = CLASS_WEIGHTS.reduce((a: number, b) => a + b, 0);
  const losses = new Float64Array(labels.length / width);
  for (let i = 0; i < losses.length; i++) {
    for (let c = 0; c < width; c++) {
      losses[i]! += (CLASS_WEIGHTS[c]! / total) * logLoss(values[i * width + c]!, labels[i * width + c]!);
    }
  }
  return losses;
}

/** How much the weighted log loss changes, each draw of patients taken for both. Below 0 is better. */
export function lossChange(before: Float64Array, after: Float64Array, labels: Uint8Array, draws: Draws): Estimate {
  const change = imageLosses(after, labels);
  for (const [i, loss] of imageLosses(before, labels).entries()) change[i] = change[i]! - loss;
  return meanEstimate(change, draws);
}

export function meanEstimate(values: Float64Array, draws: Draws): Estimate {
  const { low, high } = intervalOf(meanReplicates(values, draws));
  let total = 0;
  for (const value of values) total += value;
  return estimate(total / values.length, low, high);
}

/** NaN becomes null, as JSON has it. */
export function estimate(value: number, low: number, high: number): Estimate {
  return { value: orNull(value), low: orNull(low), high: orNull(high) };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** The group of each sample as a number, for `Draws`. */
export function groupsOf(names: readonly string[]): { groupOf: Uint32Array; groups: number } {
  const numbers = new Map<string, number>();
  const groupOf = Uint32Array.from(names, (name) => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  });
  return { groupOf, groups: numbers.size };
}
