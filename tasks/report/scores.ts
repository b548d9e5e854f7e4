// What the report says of one set of predictions: each metric with its 95 % interval from a bootstrap of patients.
import { CLASS_WEIGHTS, CLASSES, type ClassName } from '../classes.ts';
import { ece, logLoss, rank, rankMetrics } from '../metrics.ts';
import { type Bootstrap, bootstrap } from '../statistics/bootstrap.ts';

/** A number and its interval; null where it is not defined, as an AUC without positives. */
export interface Estimate {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface ClassScores {
  /** Images with the label. */
  readonly positives: number;
  readonly auc: Estimate;
  readonly averagePrecision: Estimate;
  readonly sensitivityAt90Specificity: Estimate;
  readonly ece: Estimate;
}

export interface Scores {
  readonly weightedLogLoss: Estimate;
  readonly classes: Record<ClassName, ClassScores>;
}

/** `values` and `labels` are (N, 6); the bootstrap's samples are the N images. */
export function scoresOf(values: Float64Array, labels: Uint8Array, draws: Bootstrap): Scores {
  const statistics = prepare(values, labels);
  const point = statistics(new Uint16Array(labels.length / CLASSES.length).fill(1));
  const intervals = bootstrap(draws, statistics);
  const estimates = point.map((value, i) => estimate(value, intervals[i]!.low, intervals[i]!.high));
  const classes = CLASSES.map((name, c) => {
    const [auc, averagePrecision, sensitivityAt90Specificity, calibration] = estimates.slice(1 + 4 * c);
    let positives = 0;
    for (let i = c; i < labels.length; i += CLASSES.length) positives += labels[i]!;
    return [name, { positives, auc, averagePrecision, sensitivityAt90Specificity, ece: calibration }];
  });
  return { weightedLogLoss: estimates[0]!, classes: Object.fromEntries(classes) as Record<ClassName, ClassScores> };
}

/** A function of how often each image was drawn: the loss, then four numbers a class. Scores are sorted here, once. */
function prepare(values: Float64Array, labels: Uint8Array): (drawn: Uint16Array) => number[] {
  const losses = imageLosses(values, labels);
  const columns = CLASSES.map((_, c) => {
    const scores = column(values, c);
    return { scores, labels: Uint8Array.from(column(labels, c)), ranking: rank(scores) };
  });
  return (drawn) => {
    const numbers = [weightedMean(losses, drawn)];
    for (const { scores, labels: own, ranking } of columns) {
      const { auc, averagePrecision, sensitivity } = rankMetrics(ranking, own, drawn);
      numbers.push(auc, averagePrecision, sensitivity, ece(scores, own, drawn));
    }
    return numbers;
  };
}

/** The weighted log loss of each image. */
function imageLosses(values: Float64Array, labels: Uint8Array): Float64Array {
  const width = CLASSES.length;
  const total = CLASS_WEIGHTS.reduce((a: number, b) => a + b, 0);
  const losses = new Float64Array(labels.length / width);
  for (let i = 0; i < labels.length; i++) {
    const at = Math.floor(i / width);
    losses[at] = losses[at]! + (CLASS_WEIGHTS[i % width]! / total) * logLoss(values[i]!, labels[i]!);
  }
  return losses;
}

function weightedMean(values: Float64Array, weights: Uint16Array): number {
  let [total, count] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    total += weights[i]! * values[i]!;
    count += weights[i]!;
  }
  return total / count;
}

/** Column c of an (N, 6) table. */
export function column(values: ArrayLike<number>, c: number): Float64Array {
  return Float64Array.from({ length: values.length / CLASSES.length }, (_, i) => values[i * CLASSES.length + c]!);
}

function estimate(value: number, low: number, high: number): Estimate {
  return { value: orNull(value), low: orNull(low), high: orNull(high) };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
