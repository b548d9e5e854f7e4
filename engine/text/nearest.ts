// The word that a person most likely meant.

const LONGEST_NAME = 200;

/** The candidate that a person most likely meant, or undefined when none is close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  // Of a text that long nobody mistyped a letter, and its distance from others takes a while.
  if (word.length > LONGEST_NAME) return undefined;
  const wanted = word.toLowerCase();
  let best: string | undefined;
  // One edit in a short word, a third of a long one; of a single letter every other letter would be one edit away.
  let limit = word.length < 2 ? 1 : Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= limit) continue;
    const distance = editDistance(wanted, candidate.toLowerCase(), limit);
    if (distance >= limit) continue;
    limit = distance;
    best = candidate;
    if (distance === 0) break;
  }
  return best;
}

/** `did you mean "x"?`, or the whole list when it is short, or nothing. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const all = [...candidates];
  const near = nearest(word, all);
  if (near !== undefined) return `did you mean "${near}"?`;
  const list = all.join(', ');
  return all.length > 0 && list.length <= 100 ? `there is ${list}` : undefined;
}

/** Optimal string alignment distance (Damerau-Levenshtein without repeated edits), given up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, older[j - 2]! + 1);
      row.push(cost);
      if (cost < least) least = cost;
    }
    if (least >= limit) return limit;
    older = previous;
    previous = row;
  }
  return previous[b.length]!;
}
