// Smoothing of predictions along a series' axis: p'(z) = sum_k w_k p(z_k) / sum_k w_k, w falling with distance as a Gaussian.
// Each pair of neighbours is weighed once for both, and its weight kept for the next pair as far apart: slices lie at equal
// distances nearly always, so that most weights cost no exponential.
import type { Stacks } from './stacks.ts';

/** Neighbours further than this many sigma away weigh less than 1 % and are left out. */
const REACH = 3.5;

/**
 * One class smoothed: `values` is (N,), the result a new array; sigma 0 gives an equal one. A weighted mean, so that a
 * constant stays itself and nothing leaves the range of its neighbours.
 */
export function smoothed(values: Float64Array, stacks: Stacks, sigmaMm: number): Float64Array {
  const result = values.slice();
  if (sigmaMm <= 0) return result;
  const { rows } = stacks;
  const ordered = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) ordered[i] = values[rows[i]!]!;
  const inOrder = smoothInOrder(ordered, 1, stacks, sigmaMm);
  for (let i = 0; i < rows.length; i++) result[rows[i]!] = inOrder[i]!;
  return result;
}

/** `values` is (stacked rows, width) in the order of the stacks, and so is the result. Sigma > 0. */
export function smoothInOrder(
  values: Float64Array,
  width: number,
  { positionMm, starts }: Stacks,
  sigmaMm: number,
): Float64Array {
  const reachMm = REACH * sigmaMm;
  const total = values.slice(); // A slice's own weight is 1.
  const weights = new Float64Array(positionMm.length).fill(1);
  // By how many slices apart two are: the distance last seen, and its weight.
  const lastMm: number[] = [];
  const lastWeight: number[] = [];
  for (let s = 0; s + 1 < starts.length; s++) {
    const end = starts[s + 1]!;
    for (let i = starts[s]!; i < end; i++) {
      for (let k = i + 1; k < end; k++) {
        const apart = positionMm[k]! - positionMm[i]!;
        if (apart > reachMm) break;
        const step = k - i;
        if (lastMm[step] !== apart) {
          lastMm[step] = apart;
          lastWeight[step] = Math.exp(-0.5 * (apart / sigmaMm) ** 2);
        }
        const weight = lastWeight[step]!;
        weights[i]! += weight;
        weights[k]! += weight;
        for (let c = 0; c < width; c++) {
          total[i * width + c]! += weight * values[k * width + c]!;
          total[k * width + c]! += weight * values[i * width + c]!;
        }
      }
    }
  }
  for (let i = 0; i < weights.length; i++) for (let c = 0; c < width; c++) total[i * width + c]! /= weights[i]!;
  return total;
}
