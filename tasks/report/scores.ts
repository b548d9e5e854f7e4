// What the report says of one set of predictions: each metric with its 95 % interval from a bootstrap of patients. The classes
// are scored on worker threads where there are enough images for that to pay.
import { CLASSES, type ClassName } from '../classes.ts';
import { ece, rank, rankMetrics } from '../metrics.ts';
import { type Draws, intervalOf } from '../statistics/draws.ts';
import { type Estimate, estimate, imageLosses, meanEstimate } from '../statistics/losses.ts';
import { CLASS_STATISTICS, type ClassColumn, classReplicates } from '../statistics/rank_bootstrap.ts';
import { mapOnThreads, type Threads } from '../statistics/threads.ts';

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

/** One class of one set: what a worker is given. */
export interface ClassJob extends ClassColumn {
  readonly draws: Draws;
}

/** Samples times replicates from which threads are worth their start. */
const WORTH_THREADS = 50e6;

/** Each set of `sets` is (N, 6), and so is `labels`; the bootstrap's samples are the N images, its draws the same for all sets. */
export async function scoreSets(
  sets: ReadonlyMap<string, Float64Array>,
  labels: Uint8Array,
  draws: Draws,
  threads: Threads,
): Promise<Map<string, Scores>> {
  const total = sets.size * CLASSES.length;
  const isSmall = draws.groupOf.length * draws.replicates < WORTH_THREADS;
  const found = await mapOnThreads(jobsOf(sets, labels, draws), total, scoreClass, 'scoreClass', {
    ...threads,
    cores: isSmall ? 1 : threads.cores,
  });
  const names = [...sets.keys()];
  return new Map(
    names.map((name, s) => {
      const classes = Object.fromEntries(CLASSES.map((each, c) => [each, found[s * CLASSES.length + c]!]));
      const weightedLogLoss = meanEstimate(imageLosses(sets.get(name)!, labels), draws);
      return [name, { weightedLogLoss, classes: classes as Record<ClassName, ClassScores> }];
    }),
  );
}

function* jobsOf(sets: ReadonlyMap<string, Float64Array>, labels: Uint8Array, draws: Draws): Generator<ClassJob> {
  for (const values of sets.values()) {
    for (const c of CLASSES.keys()) yield { scores: column(values, c), labels: labelColumn(labels, c), draws };
  }
}

/** The worker. */
export function scoreClass({ scores, labels, draws }: ClassJob): ClassScores {
  const { auc, averagePrecision, sensitivity } = rankMetrics(rank(scores), labels);
  const point = [auc, averagePrecision, sensitivity, ece(scores, labels)];
  const replicates = classReplicates({ scores, labels }, draws);
  const [a, p, s, e] = CLASS_STATISTICS.map((_, i) => {
    const own = replicates.subarray(i * draws.replicates, (i + 1) * draws.replicates);
    const { low, high } = intervalOf(own);
    return estimate(point[i]!, low, high);
  });
  let positives = 0;
  for (const label of labels) positives += label;
  return { positives, auc: a!, averagePrecision: p!, sensitivityAt90Specificity: s!, ece: e! };
}

/** Column c of an (N, 6) table. */
export function column(values: ArrayLike<number>, c: number): Float64Array {
  const result = new Float64Array(values.length / CLASSES.length);
  for (let i = 0; i < result.length; i++) result[i] = values[i * CLASSES.length + c]!;
  return result;
}

export function labelColumn(labels: Uint8Array, c: number): Uint8Array {
  const result = new Uint8Array(labels.length / CLASSES.length);
  for (let i = 0; i < result.length; i++) result[i] = labels[i * CLASSES.length + c]!;
  return result;
}
