// The bootstrap's draws of whole groups (patients), and the intervals that come of them. Images of one patient are not
// independent, so patients are drawn. Replicates come in blocks of sixteen with a random stream each: whoever computes a
// block, on whatever thread, gets the same draws.
import { createRandom } from '../learning/random.ts';

export interface Draws {
  /** The group of each sample, 0..groups-1. */
  readonly groupOf: Uint32Array;
  readonly groups: number;
  readonly replicates: number;
  readonly seed: number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Replicates that are computed together. */
export const BLOCK = 16;

/** (groups, BLOCK): how often each replicate of the block drew each group; as many draws as there are groups. */
export function timesOf({ groups, seed }: Draws, block: number): Uint16Array {
  const random = createRandom(seed, 1000 + block);
  const times = new Uint16Array(groups * BLOCK);
  for (let r = 0; r < BLOCK; r++) {
    for (let g = 0; g < groups; g++) times[Math.floor(random.next() * groups) * BLOCK + r]! += 1;
  }
  return times;
}

/** The mean over samples in each replicate, from each sample's value. */
export function meanReplicates(values: Float64Array, draws: Draws): Float64Array {
  const { groupOf, groups, replicates } = draws;
  const [sums, sizes] = [new Float64Array(groups), new Float64Array(groups)];
  for (let i = 0; i < values.length; i++) {
    sums[groupOf[i]!]! += values[i]!;
    sizes[groupOf[i]!]! += 1;
  }
  const result = new Float64Array(replicates);
  for (let first = 0; first < replicates; first += BLOCK) {
    const times = timesOf(draws, first / BLOCK);
    for (let r = 0; r < BLOCK && first + r < replicates; r++) {
      let [total, count] = [0, 0];
      for (let g = 0; g < groups; g++) {
        total += times[g * BLOCK + r]! * sums[g]!;
        count += times[g * BLOCK + r]! * sizes[g]!;
      }
      result[first + r] = total / count;
    }
  }
  return result;
}

/** The 95 % percentile interval (2.5th to 97.5th) of the replicates that are no NaN; NaN of none. Efron 1979. */
export function intervalOf(replicates: Float64Array): Interval {
  const values = replicates.filter((value) => !Number.isNaN(value)).sort();
  return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** Of ascending values, linear between order statistics (type 7 of Hyndman and Fan 1996, NumPy's default). NaN of none. */
export function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below];
  if (low === undefined) return Number.NaN;
  return low + (at - below) * ((sorted[below + 1] ?? low) - low);
}
