// Percentile intervals by drawing whole groups (patients) with replacement: images of one patient are not independent.
import { createRandom } from '../learning/random.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface Bootstrap {
  /** The group of each sample, 0..groups-1. */
  readonly groupOf: Uint32Array;
  readonly groups: number;
  readonly replicates: number;
  readonly seed: number;
}

/**
 * 95 % intervals (2.5th to 97.5th percentile) of each number that `statistics` returns, given how often each sample was drawn.
 * Replicates in which a number is NaN, such as an AUC without positives, do not count for it. NaN when none counts.
 * Efron 1979; groups as clusters: Field and Welsh 2007.
 */
export function bootstrap(
  { groupOf, groups, replicates, seed }: Bootstrap,
  statistics: (drawn: Uint16Array) => readonly number[],
): Interval[] {
  const random = createRandom(seed);
  const results: (readonly number[])[] = [];
  const times = new Uint16Array(groups);
  const drawn = new Uint16Array(groupOf.length);
  for (let r = 0; r < replicates; r++) {
    times.fill(0);
    for (let g = 0; g < groups; g++) {
      const pick = Math.floor(random.next() * groups);
      times[pick] = times[pick]! + 1;
    }
    for (let i = 0; i < drawn.length; i++) drawn[i] = times[groupOf[i]!]!;
    results.push(statistics(drawn));
  }
  return (results[0] ?? []).map((_, s) => {
    const values = Float64Array.from(results, (result) => result[s]!).filter((value) => !Number.isNaN(value));
    values.sort();
    return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
  });
}

/** Of ascending values, linear between order statistics (type 7 of Hyndman and Fan 1996, NumPy's default). NaN of none. */
export function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below];
  if (low === undefined) return Number.NaN;
  return low + (at - below) * ((sorted[below + 1] ?? low) - low);
}
