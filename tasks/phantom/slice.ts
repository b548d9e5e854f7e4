// One slice in Hounsfield units: tissues, bleedings, head rest, partial volume and noise; and the labels that are true of it.
import { ellipse, type Head, levelAt, SCALP_MM, TISSUE_HU, tissueAt } from './anatomy.ts';
import { type Bleeding, type BleedingKind, bleedingAt, type Covers } from './bleeding.ts';
import { gaussian, type Random, randomFor } from './random.ts';

/** Where the head lies in the picture. Offsets in mm; the rotation as cosine and sine. */
export interface Pose {
  readonly xMm: number;
  readonly yMm: number;
  readonly cos: number;
  readonly sin: number;
}

export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly spacingMm: number;
}

export interface Slice {
  /** Row-major, rows x columns. */
  readonly hu: Int16Array;
  readonly kinds: ReadonlySet<BleedingKind>;
}

// A bleeding that covers less than this of a slice is not drawn there, so that a label is never true of a few pixels.
const SMALLEST_MM2 = 90;
const REST_GAP_MM = 11;
const REST_HU = 160;

export function drawSlice(
  head: Head,
  bleedings: readonly Bleeding[],
  z: number,
  pose: Pose,
  grid: Grid,
  random: Random,
): Slice {
  const level = levelAt(head, z);
  const here = bleedings.flatMap((bleeding) => {
    const covers = bleedingAt(bleeding, head, level);
    return covers && areaMm2(covers, head, z, pose, grid) >= SMALLEST_MM2 ? [{ bleeding, covers }] : [];
  });
  const hu = new Float64Array(grid.rows * grid.columns);
  eachPoint(pose, grid, (index, x, y, px, py) => {
    const tissue = tissueAt(head, level, x, y);
    const found = here.find(({ covers }) => covers(x, y, tissue));
    if (found) hu[index] = found.bleeding.hu;
    else if (tissue === 'air' && isHeadRest(head, px, py)) hu[index] = REST_HU;
    else hu[index] = TISSUE_HU[tissue];
  });
  return { hu: addNoise(blur(hu, grid), random), kinds: new Set(here.map(({ bleeding }) => bleeding.kind)) };
}

function areaMm2(covers: Covers, head: Head, z: number, pose: Pose, grid: Grid): number {
  const level = levelAt(head, z);
  let points = 0;
  eachPoint(pose, grid, (_index, x, y) => {
    if (ellipse(level.inner, x, y) < 1 && covers(x, y, tissueAt(head, level, x, y))) points++;
  });
  return points * grid.spacingMm * grid.spacingMm;
}

/** Visits every pixel with its point in the head's coordinates, and unrotated (px, py) from the head's centre. */
function eachPoint(
  pose: Pose,
  grid: Grid,
  visit: (index: number, x: number, y: number, px: number, py: number) => void,
): void {
  for (let row = 0, index = 0; row < grid.rows; row++) {
    const py = (row + 0.5 - grid.rows / 2) * grid.spacingMm - pose.yMm;
    for (let column = 0; column < grid.columns; column++, index++) {
      const px = (column + 0.5 - grid.columns / 2) * grid.spacingMm - pose.xMm;
      visit(index, px * pose.cos + py * pose.sin, py * pose.cos - px * pose.sin, px, py);
    }
  }
}

/** A shell behind the head, with air between: the head crop has to find that it is not the head. */
function isHeadRest(head: Head, px: number, py: number): boolean {
  if (py < 0.45 * head.halfLengthMm) return false;
  const near = SCALP_MM + REST_GAP_MM;
  const isPastGap = ellipse([head.halfWidthMm + near, head.halfLengthMm + near], px, py) >= 1;
  return isPastGap && ellipse([head.halfWidthMm + near + 5, head.halfLengthMm + near + 5], px, py) < 1;
}

/** Partial volume: (1 2 1)/4 along rows, then along columns; edges repeat. */
function blur(hu: Float64Array, { columns }: Grid): Float64Array {
  const across = new Float64Array(hu.length);
  const out = new Float64Array(hu.length);
  for (let i = 0; i < hu.length; i++) {
    const column = i % columns;
    across[i] = (hu[column > 0 ? i - 1 : i]! + 2 * hu[i]! + hu[column < columns - 1 ? i + 1 : i]!) / 4;
  }
  for (let i = 0; i < hu.length; i++) {
    out[i] =
      (across[i >= columns ? i - columns : i]! + 2 * across[i]! + across[i + columns < hu.length ? i + columns : i]!) /
      4;
  }
  return out;
}

const NOISE_HU = 5;
const NOISE_LENGTH = 1 << 16;
let noiseTable: Float64Array | undefined;

/** Quantum noise, from a table read at random places: drawing each value anew would cost more than the picture. */
function addNoise(hu: Float64Array, random: Random): Int16Array {
  noiseTable ??= makeNoiseTable();
  const out = new Int16Array(hu.length);
  let at = Math.floor(random() * NOISE_LENGTH);
  for (let i = 0; i < hu.length; i++) {
    if (i % 1024 === 0) at = Math.floor(random() * NOISE_LENGTH);
    out[i] = Math.max(Math.round(hu[i]! + NOISE_HU * noiseTable[at]!), -1000);
    at = (at + 1) & (NOISE_LENGTH - 1);
  }
  return out;
}

function makeNoiseTable(): Float64Array {
  const random = randomFor('noise');
  return Float64Array.from({ length: NOISE_LENGTH }, () => gaussian(random));
}
