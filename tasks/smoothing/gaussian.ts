// Smoothing of predictions along a study's axis: p'(z) = sum_k w_k p(z_k) / sum_k w_k, w falling with distance as a Gaussian.
import type { Stacks } from './stacks.ts';

/** Neighbours further than this many sigma away weigh less than 1 % and are left out. */
const REACH = 3.5;

/**
 * One class smoothed: `values` is (N,), the result a new array; sigma 0 gives an equal one. A weighted mean, so that a
 * constant stays itself and nothing leaves the range of its neighbours.
 */
export function smoothed(values: Float64Array, { rows, positionMm, starts }: Stacks, sigmaMm: number): Float64Array {
  const result = values.slice();
  if (sigmaMm <= 0) return result;
  const reachMm = REACH * sigmaMm;
  for (let s = 0; s + 1 < starts.length; s++) {
    const end = starts[s + 1]!;
    let first = starts[s]!;
    for (let i = first; i < end; i++) {
      const here = positionMm[i]!;
      while (here - positionMm[first]! > reachMm) first++;
      let [total, weights] = [0, 0];
      for (let k = first; k < end && positionMm[k]! - here <= reachMm; k++) {
        const weight = Math.exp(-0.5 * ((positionMm[k]! - here) / sigmaMm) ** 2);
        total += weight * values[rows[k]!]!;
        weights += weight;
      }
      result[rows[i]!] = total / weights;
    }
  }
  return result;
}
