// The bootstrap of what depends on the order of scores (AUC, average precision, sensitivity) and of calibration, for one
// class. Samples are sorted once; then sixteen replicates walk the order together. Patients weigh by how often they were drawn:
// a count below 256, so that four replicates' counts lie in one 32-bit word and a negative sample costs one addition for four.
import { type Ranking, rank } from '../metrics.ts';
import { BLOCK, type Draws, timesOf } from './draws.ts';

export interface ClassColumn {
  /** (N,) scores and labels (0 or 1). */
  readonly scores: Float64Array;
  readonly labels: Uint8Array;
}

/** In this order, one value a replicate. NaN where a replicate drew only one class (of calibration: no image). */
export const CLASS_STATISTICS = ['auc', 'averagePrecision', 'sensitivity', 'ece'] as const;

const SPECIFICITY = 0.9;
const BINS = 15;

/** (4, replicates): the statistics of `rankMetrics` and `ece` with each replicate's weights. */
export function classReplicates({ scores, labels }: ClassColumn, draws: Draws): Float64Array {
  const { replicates } = draws;
  const result = new Float64Array(CLASS_STATISTICS.length * replicates);
  const walked = inOrder(rank(scores), labels, draws.groupOf);
  const counts = countsByGroup(labels, draws);
  const gaps = gapsByGroup(scores, labels, draws);
  for (let first = 0; first < replicates; first += BLOCK) {
    const times = timesOf(draws, first / BLOCK);
    const ranked = walk(walked, times, counts);
    const errors = calibration(gaps, times, counts);
    for (let r = 0; r < BLOCK && first + r < replicates; r++) {
      for (const [s, values] of [...ranked, errors].entries()) result[s * replicates + first + r] = values[r]!;
    }
  }
  return result;
}

interface Counts {
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

function countsByGroup(labels: Uint8Array, { groupOf, groups }: Draws): Counts {
  const counts = { positives: new Float64Array(groups), negatives: new Float64Array(groups) };
  for (let i = 0; i < labels.length; i++) (labels[i] === 1 ? counts.positives : counts.negatives)[groupOf[i]!]! += 1;
  return counts;
}

function totals(byGroup: Float64Array, times: Uint16Array): Float64Array {
  const result = new Float64Array(BLOCK);
  for (let g = 0; g < byGroup.length; g++) {
    for (let r = 0; r < BLOCK; r++) result[r]! += byGroup[g]! * times[g * BLOCK + r]!;
  }
  return result;
}

/** The samples from the highest score on: where each one's words begin, and what it is. */
interface Walk {
  readonly word: Uint32Array;
  readonly kind: Uint8Array;
}
const POSITIVE = 1;
/** The first and the last of samples with the same score, where a positive is among them: nothing happens at others. */
const OPENS = 2;
const CLOSES = 4;
const WORDS = BLOCK / 4;

function inOrder({ order, ends }: Ranking, labels: Uint8Array, groupOf: Uint32Array): Walk {
  const word = Uint32Array.from(order, (at) => groupOf[at]! * WORDS);
  const kind = Uint8Array.from(order, (at) => (labels[at] === 1 ? POSITIVE : 0));
  for (let first = 0, i = 0; i < order.length; i++) {
    if (ends[i] === 0) continue;
    if (kind.subarray(first, i + 1).some((each) => each === POSITIVE)) {
      kind[first]! |= OPENS;
      kind[i]! |= CLOSES;
    }
    first = i + 1;
  }
  return { word, kind };
}

/** Four counts a word, the first in the lowest byte. */
function packed(times: Uint16Array): { words: Int32Array; most: number } {
  const words = new Int32Array(times.length / 4);
  let most = 1;
  for (let i = 0; i < times.length; i++) {
    most = Math.max(most, times[i]!);
    words[i >> 2]! |= times[i]! << (8 * (i & 3));
  }
  if (most > 255) throw new Error('internal error: a patient was drawn more than 255 times in one replicate');
  return { words, most };
}

/** One block of replicates: AUC, average precision, sensitivity. */
function walk({ word, kind }: Walk, times: Uint16Array, counts: Counts): Float64Array[] {
  const [positives, negatives] = [totals(counts.positives, times), totals(counts.negatives, times)];
  // The slack is rounding's, as in `rankMetrics`.
  const mostFalse = negatives.map((count) => (1 - SPECIFICITY + 1e-9) * count);
  const [area, precision, sensitivity] = [new Float64Array(BLOCK), new Float64Array(BLOCK), new Float64Array(BLOCK)];
  const [tp, fp] = [new Float64Array(BLOCK), new Float64Array(BLOCK)];
  // Of the samples with the same score: drawn positives, and the false positives before them.
  const [gained, fpBefore] = [new Float64Array(BLOCK), new Float64Array(BLOCK)];
  const { words, most } = packed(times);
  const mostPending = Math.floor(255 / most);
  let [pending, a, b, c, d] = [0, 0, 0, 0, 0];
  const flush = (): void => {
    if (pending === 0) return;
    unpack(a, fp, 0);
    unpack(b, fp, 4);
    unpack(c, fp, 8);
    unpack(d, fp, 12);
    pending = a = b = c = d = 0;
  };
  for (let i = 0; i < kind.length; i++) {
    const what = kind[i]!;
    const at = word[i]!;
    if (what === 0) {
      a = (a + words[at]!) | 0;
      b = (b + words[at + 1]!) | 0;
      c = (c + words[at + 2]!) | 0;
      d = (d + words[at + 3]!) | 0;
      if (++pending === mostPending) flush();
      continue;
    }
    if ((what & OPENS) !== 0) {
      flush();
      fpBefore.set(fp);
    }
    for (let w = 0; w < WORDS; w++) unpack(words[at + w]!, (what & POSITIVE) !== 0 ? gained : fp, 4 * w);
    if ((what & CLOSES) === 0) continue;
    flush();
    for (let r = 0; r < BLOCK; r++) {
      const more = gained[r]!;
      if (more === 0) continue;
      gained[r] = 0;
      // Each positive stands above the negatives that come later, and ties with those of its own score.
      area[r]! += more * (negatives[r]! - (fpBefore[r]! + fp[r]!) / 2);
      tp[r]! += more;
      precision[r]! += (more * tp[r]!) / (tp[r]! + fp[r]!);
      if (fp[r]! <= mostFalse[r]!) sensitivity[r] = tp[r]!;
    }
  }
  const defined = positives.map((count, r) => (count > 0 && negatives[r]! > 0 ? 1 : Number.NaN));
  return [
    area.map((value, r) => (defined[r]! * value) / positives[r]! / negatives[r]!),
    precision.map((value, r) => (defined[r]! * value) / positives[r]!),
    sensitivity.map((value, r) => (defined[r]! * value) / positives[r]!),
  ];
}

function unpack(four: number, into: Float64Array, first: number): void {
  into[first]! += four & 0xff;
  into[first + 1]! += (four >>> 8) & 0xff;
  into[first + 2]! += (four >>> 16) & 0xff;
  into[first + 3]! += four >>> 24;
}

/** Per group and bin that it has images in: the summed probability minus label. Most groups are in few bins. */
interface Gaps {
  readonly group: Uint32Array;
  readonly bin: Uint8Array;
  readonly gap: Float64Array;
}

function gapsByGroup(scores: Float64Array, labels: Uint8Array, { groupOf }: Draws): Gaps {
  const sums = new Map<number, number>();
  for (let i = 0; i < labels.length; i++) {
    const bin = Math.min(Math.floor(scores[i]! * BINS), BINS - 1);
    const key = groupOf[i]! * BINS + bin;
    sums.set(key, (sums.get(key) ?? 0) + scores[i]! - labels[i]!);
  }
  const keys = [...sums.keys()];
  return {
    group: Uint32Array.from(keys, (key) => Math.floor(key / BINS)),
    bin: Uint8Array.from(keys, (key) => key % BINS),
    gap: Float64Array.from(sums.values()),
  };
}

function calibration({ group, bin, gap }: Gaps, times: Uint16Array, counts: Counts): Float64Array {
  const sums = new Float64Array(BINS * BLOCK);
  for (let i = 0; i < group.length; i++) {
    const [from, into] = [group[i]! * BLOCK, bin[i]! * BLOCK];
    for (let r = 0; r < BLOCK; r++) sums[into + r]! += gap[i]! * times[from + r]!;
  }
  const [positives, negatives] = [totals(counts.positives, times), totals(counts.negatives, times)];
  return positives.map((count, r) => {
    let error = 0;
    for (let b = 0; b < BINS; b++) error += Math.abs(sums[b * BLOCK + r]!);
    return error / (count + negatives[r]!);
  });
}
