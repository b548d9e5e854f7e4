// The largest connected component of a three-channel picture, as a volume over (row, column, channel) with six
// neighbours. Rows of each channel are cut into runs of foreground, and runs that touch are joined (union-find): a head
// CT has some thousand runs, and no voxel is looked at twice.

/** Channels of one picture, row-major, all of rows x columns; foreground is any value above 0. */
export type Planes = readonly Uint8Array[];

/** Rows top..bottom-1 and columns left..right-1. */
export interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Runs of all channels: run k covers columns start[k]..end[k]-1. Runs of channel c, row r are first[c * rows + r] onwards. */
interface Runs {
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly first: Int32Array;
  readonly count: number;
}

/**
 * The bounding box, over all channels, of the component with most voxels; the first in scan order (row, column, channel)
 * wins a tie. Null where there is no foreground. Equals scipy.ndimage.label and bincount with SciPy's default structure.
 */
export function largestComponent(planes: Planes, rows: number, columns: number): Box | null {
  const runs = findRuns(planes, rows, columns);
  if (runs.count === 0) return null;
  const parent = joinRuns(runs, planes.length, rows);
  return boxOf(biggestRoot(runs, parent, planes.length, rows, columns), runs, parent, planes.length, rows);
}

// Grown as needed and kept: runs are found for every picture of a study.
let starts = new Int32Array(1 << 15);
let ends = new Int32Array(1 << 15);
let parents = new Int32Array(1 << 15);
let sizes = new Int32Array(1 << 15);

function findRuns(planes: Planes, rows: number, columns: number): Runs {
  const first = new Int32Array(planes.length * rows + 1);
  let count = 0;
  for (let channel = 0; channel < planes.length; channel++) {
    const plane = planes[channel]!;
    const words = wordsOf(plane);
    for (let row = 0; row < rows; row++) {
      first[channel * rows + row] = count;
      reserve(count + columns);
      count = findRowRuns(plane, words, row * columns, columns, count);
    }
  }
  first[planes.length * rows] = count;
  return { start: starts, end: ends, first, count };
}

function findRowRuns(plane: Uint8Array, words: Uint32Array, base: number, columns: number, from: number): number {
  let count = from;
  const stop = base + columns;
  for (let at = base; at < stop; ) {
    while (at < stop && plane[at] === 0) {
      at++;
      // Most of a head CT is air: four pixels at once.
      if ((at & 3) === 0) while (at + 4 <= stop && words[at >> 2] === 0) at += 4;
    }
    if (at === stop) break;
    starts[count] = at - base;
    while (at < stop && plane[at] !== 0) at++;
    ends[count++] = at - base;
  }
  return count;
}

/** The plane's pixels four by four; none of them where the plane does not begin at a word. */
function wordsOf({ buffer, byteOffset, length }: Uint8Array): Uint32Array {
  return byteOffset % 4 === 0 ? new Uint32Array(buffer, byteOffset, length >> 2) : new Uint32Array();
}

function reserve(runs: number): void {
  if (runs <= starts.length) return;
  const grow = (old: Int32Array) => {
    const grown = new Int32Array(2 * runs);
    grown.set(old);
    return grown;
  };
  [starts, ends, parents, sizes] = [grow(starts), grow(ends), grow(parents), grow(sizes)];
}

function joinRuns(runs: Runs, channels: number, rows: number): Int32Array {
  const parent = parents;
  for (let k = 0; k < runs.count; k++) parent[k] = k;
  for (let line = 0; line < channels * rows; line++) {
    if (line % rows > 0) joinLines(runs, parent, line - 1, line);
    if (line >= rows) joinLines(runs, parent, line - rows, line);
  }
  return parent;
}

/** Joins the runs of two neighbouring lines that share a column. Both lists are in order: one pass. */
function joinLines({ start, end, first }: Runs, parent: Int32Array, lineA: number, lineB: number): void {
  let a = first[lineA]!;
  let b = first[lineB]!;
  const endA = first[lineA + 1]!;
  const endB = first[lineB + 1]!;
  while (a < endA && b < endB) {
    if (start[a]! < end[b]! && start[b]! < end[a]!) join(parent, a, b);
    if (end[a]! < end[b]!) a++;
    else b++;
  }
}

function join(parent: Int32Array, a: number, b: number): void {
  const rootA = find(parent, a);
  const rootB = find(parent, b);
  if (rootA < rootB) parent[rootB] = rootA;
  else parent[rootA] = rootB;
}

function find(parent: Int32Array, run: number): number {
  let at = run;
  while (parent[at] !== at) {
    parent[at] = parent[parent[at]!]!; // Path halving.
    at = parent[at]!;
  }
  return at;
}

function biggestRoot(runs: Runs, parent: Int32Array, channels: number, rows: number, columns: number): number {
  sizes.fill(0, 0, runs.count);
  let most = 0;
  for (let k = 0; k < runs.count; k++) {
    const root = find(parent, k);
    sizes[root]! += runs.end[k]! - runs.start[k]!;
    if (sizes[root]! > most) most = sizes[root]!;
  }
  const tied: number[] = [];
  for (let k = 0; k < runs.count; k++) if (parent[k] === k && sizes[k] === most) tied.push(k);
  return tied.length === 1 ? tied[0]! : firstInScanOrder(new Set(tied), runs, parent, channels, rows, columns);
}

/** The root whose component has the first voxel by (row, column, channel). Ties are rare; this may be slow. */
function firstInScanOrder(
  roots: ReadonlySet<number>,
  { start, first }: Runs,
  parent: Int32Array,
  channels: number,
  rows: number,
  columns: number,
): number {
  let [best, bestAt] = [-1, Number.POSITIVE_INFINITY];
  for (let line = 0; line < channels * rows; line++) {
    for (let k = first[line]!; k < first[line + 1]!; k++) {
      const root = find(parent, k);
      const at = ((line % rows) * columns + start[k]!) * channels + Math.floor(line / rows);
      if (roots.has(root) && at < bestAt) [best, bestAt] = [root, at];
    }
  }
  return best;
}

function boxOf(root: number, { start, end, first }: Runs, parent: Int32Array, channels: number, rows: number): Box {
  const box = { top: rows, bottom: 0, left: Number.POSITIVE_INFINITY, right: 0 };
  for (let line = 0; line < channels * rows; line++) {
    for (let k = first[line]!; k < first[line + 1]!; k++) {
      if (find(parent, k) !== root) continue;
      box.top = Math.min(box.top, line % rows);
      box.bottom = Math.max(box.bottom, (line % rows) + 1);
      box.left = Math.min(box.left, start[k]!);
      box.right = Math.max(box.right, end[k]!);
    }
  }
  return box;
}
