// Which fold each patient's images are held out in: groups stay whole, and every fold gets its share of images and labels.
import { createHash } from 'node:crypto';

export interface Patient {
  readonly id: string;
  /** What is to be balanced: the number of images, then of images with each label. */
  readonly counts: readonly number[];
}

/**
 * The fold (0..folds-1) of each patient. Depends on the patients, the seed and nothing else, not on their order.
 *
 * Greedy, large and rare first, as scikit-learn's StratifiedGroupKFold: a patient goes where the sum of squared shares grows
 * least, a share being a fold's part of the whole count of a label. Then patients move, and swap with others of about their
 * weight, while that helps.
 * Unlike scikit-learn's, labels are several, and patients of about the same weight come in an order drawn from the seed.
 */
export function assignFolds(patients: readonly Patient[], folds: number, seed: number): number[] {
  const totals = sum(patients.map((patient) => patient.counts));
  const drawn = patients.map(({ id, counts }, at) => {
    const shares = counts.map((count, c) => (totals[c]! > 0 ? count / totals[c]! : 0));
    // Weights within a factor of two count as equal, so that the seed has something to shuffle.
    const octave = Math.floor(Math.log2(Math.max(...shares)));
    return { at, id, shares, octave, ticket: ticket(id, seed) };
  });
  drawn.sort((a, b) => b.octave - a.octave || (a.ticket < b.ticket ? -1 : 1));

  const filled = Array.from({ length: folds }, () => new Array<number>(totals.length).fill(0));
  const foldOf = new Array<number>(patients.length).fill(-1);
  for (const { at, shares } of drawn) {
    const fold = least(filled.map((shared) => dot(shared, shares)));
    foldOf[at] = fold;
    move(filled[fold]!, shares, 1);
  }
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const moved = drawn.filter(({ at, shares }) => moveToBest(foldOf, filled, at, shares)).length;
    const swapped = drawn.filter((_, place) => swapWithNear(foldOf, filled, drawn, place)).length;
    if (moved + swapped === 0) break;
  }
  return foldOf;
}

const MOST_PASSES = 50;
/** Less than this gain is rounding, and could go round in circles. */
const LEAST_GAIN = 1e-12;

/** Moves the patient to the fold where the sum of squares is least; false when it is there already or leaves a fold empty. */
function moveToBest(foldOf: number[], filled: number[][], at: number, shares: readonly number[]): boolean {
  const from = foldOf[at]!;
  move(filled[from]!, shares, -1);
  const costs = filled.map((shared) => dot(shared, shares));
  const to = least(costs);
  const worthIt = costs[from]! - costs[to]! > LEAST_GAIN && filled[from]!.some((share) => share > LEAST_GAIN);
  move(filled[worthIt ? to : from]!, shares, 1);
  if (worthIt) foldOf[at] = to;
  return worthIt;
}

/** How many of the patients that follow in the order (of equal or less weight) each may swap folds with. */
const NEAR = 40;

/** The first swap with a near patient that lowers the sum of squares; false when there is none. */
function swapWithNear(
  foldOf: number[],
  filled: number[][],
  drawn: readonly { at: number; shares: readonly number[] }[],
  place: number,
): boolean {
  const own = drawn[place]!;
  const from = filled[foldOf[own.at]!]!;
  for (const other of drawn.slice(place + 1, place + 1 + NEAR)) {
    const to = filled[foldOf[other.at]!]!;
    if (from === to) continue;
    let gain = 0;
    for (const [c, share] of own.shares.entries()) {
      const shift = share - other.shares[c]!;
      gain += shift * (from[c]! - to[c]! - shift);
    }
    if (gain <= LEAST_GAIN) continue;
    exchange(from, to, own.shares, other.shares);
    [foldOf[own.at], foldOf[other.at]] = [foldOf[other.at]!, foldOf[own.at]!];
    return true;
  }
  return false;
}

function exchange(from: number[], to: number[], own: readonly number[], other: readonly number[]): void {
  move(from, own, -1);
  move(from, other, 1);
  move(to, other, -1);
  move(to, own, 1);
}

function ticket(id: string, seed: number): string {
  return createHash('sha256').update(`${seed}\n${id}`).digest('hex');
}

function sum(rows: readonly (readonly number[])[]): number[] {
  const total = new Array<number>(rows[0]?.length ?? 0).fill(0);
  for (const row of rows) move(total, row, 1);
  return total;
}

function move(into: number[], values: readonly number[], sign: number): void {
  for (const [i, value] of values.entries()) into[i] = into[i]! + sign * value;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, value, i) => total + value * b[i]!, 0);
}

function least(values: readonly number[]): number {
  return values.indexOf(Math.min(...values));
}
