// One slice in Hounsfield units: tissues, bleedings, head rest, partial volume and noise; and the labels that are true of it.
import { type Head, levelAt, SCALP_MM, TISSUE_HU, type Tissue, tissueAt } from './anatomy.ts';
import { type Bleeding, type BleedingKind, bleedingAt } from './bleeding.ts';
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
// More than the crop's margin of ten pixels at 128 x 128, so that the crop can leave it out.
const REST_GAP_MM = 24;
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
  const points = pointsOf(pose, grid);
  const hu = new Float64Array(points.x.length);
  const tissues: Tissue[] = [];
  for (let i = 0; i < hu.length; i++) {
    const tissue = tissueAt(head, level, points.x[i]!, points.y[i]!);
    tissues.push(tissue);
    hu[i] = TISSUE_HU[tissue];
  }
  drawHeadRest(hu, tissues, head, pose, grid);
  const kinds = new Set<BleedingKind>();
  for (const bleeding of bleedings) {
    const covers = bleedingAt(bleeding, head, level);
    if (!covers) continue;
    const pixels: number[] = [];
    for (let i = 0; i < hu.length; i++) if (covers(points.x[i]!, points.y[i]!, tissues[i]!)) pixels.push(i);
    if (pixels.length * grid.spacingMm * grid.spacingMm < SMALLEST_MM2) continue;
    for (const i of pixels) hu[i] = bleeding.hu;
    kinds.add(bleeding.kind);
  }
  return { hu: addNoise(blur(hu, grid), random), kinds };
}

/** The pixels' centres in the head's coordinates, row-major, in mm. */
function pointsOf(pose: Pose, grid: Grid): { x: Float64Array; y: Float64Array } {
  const x = new Float64Array(grid.rows * grid.columns);
  const y = new Float64Array(grid.rows * grid.columns);
  for (let i = 0; i < x.length; i++) {
    const [px, py] = fromCentre(i, pose, grid);
    x[i] = px * pose.cos + py * pose.sin;
    y[i] = py * pose.cos - px * pose.sin;
  }
  return { x, y };
}

/** A pixel's place in the picture, in mm from the head's centre, without the head's rotation. */
function fromCentre(index: number, pose: Pose, { rows, columns, spacingMm }: Grid): [number, number] {
  const row = Math.floor(index / columns);
  const px = ((index % columns) + 0.5 - columns / 2) * spacingMm - pose.xMm;
  return [px, (row + 0.5 - rows / 2) * spacingMm - pose.yMm];
}

function drawHeadRest(hu: Float64Array, tissues: readonly Tissue[], head: Head, pose: Pose, grid: Grid): void {
  for (let i = 0; i < hu.length; i++) {
    if (tissues[i] === 'air' && isHeadRest(head, ...fromCentre(i, pose, grid))) hu[i] = REST_HU;
  }
}

/** A flat support behind the head, with air between: the head crop has to find that it is not the head. */
function isHeadRest(head: Head, px: number, py: number): boolean {
  const below = py - head.halfLengthMm - SCALP_MM - REST_GAP_MM;
  return below >= 0 && below < 8 && Math.abs(px) < head.halfWidthMm;
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
