// Five kinds of bleeding, each where anatomy puts it: a lens under the skull (epidural), a crescent along one hemisphere
// (subdural), the sulci of a region (subarachnoid), a blob in the brain (intraparenchymal), the ventricles' content
// (intraventricular). Each spans neighbouring slices and thins out towards both ends.
import { depthMm, ellipse, type Head, type Level, levelAt, type Tissue } from './anatomy.ts';
import { below, latticeNoise, type Random, uniform } from './random.ts';

export const BLEEDING_KINDS = ['epidural', 'intraparenchymal', 'intraventricular', 'subarachnoid', 'subdural'] as const;
export type BleedingKind = (typeof BLEEDING_KINDS)[number];

export interface Bleeding {
  readonly kind: BleedingKind;
  /** The level of its centre and its half height. */
  readonly z: number;
  readonly halfHeightMm: number;
  /** Unit vector from the head's centre to where it lies. */
  readonly direction: readonly [number, number];
  /** Thickness at the skull (epidural, subdural), radius (intraparenchymal) or depth (subarachnoid). */
  readonly sizeMm: number;
  /** Half length along the skull (epidural); cosine of the half angle (subdural, subarachnoid); 0.3..1 (others). */
  readonly spread: number;
  readonly hu: number;
  readonly noiseSeed: number;
}

/** Draws one bleeding into a study that covers the levels from `low` to `high`. */
export function drawBleeding(random: Random, kind: BleedingKind, low: number, high: number): Bleeding {
  const middle = uniform(random, low + 0.3 * (high - low), low + 0.7 * (high - low));
  return {
    kind,
    z: kind === 'intraventricular' ? uniform(random, -6, 6) : middle,
    halfHeightMm: kind === 'intraventricular' ? uniform(random, 21, 27) : uniform(random, 14, 24),
    direction: drawDirection(random, kind),
    sizeMm: drawSize(random, kind),
    spread: drawSpread(random, kind),
    hu: uniform(random, 74, 94),
    noiseSeed: below(random, 2 ** 31),
  };
}

function drawDirection(random: Random, kind: BleedingKind): [number, number] {
  const side = random() < 0.5 ? -1 : 1;
  // Bleedings at the convexity lie to the side, not at the midline; the unit vector by its rational parameter.
  const t = kind === 'intraparenchymal' ? uniform(random, -0.9, 0.9) : uniform(random, -0.45, 0.45);
  return [(side * (1 - t * t)) / (1 + t * t), (2 * t) / (1 + t * t)];
}

function drawSize(random: Random, kind: BleedingKind): number {
  if (kind === 'epidural') return uniform(random, 15, 26);
  if (kind === 'subdural') return uniform(random, 9, 16);
  if (kind === 'intraparenchymal') return uniform(random, 11, 21);
  return uniform(random, 15, 22);
}

function drawSpread(random: Random, kind: BleedingKind): number {
  if (kind === 'epidural') return uniform(random, 28, 40);
  if (kind === 'subdural') return uniform(random, 0.15, 0.5);
  if (kind === 'subarachnoid') return uniform(random, -0.2, 0.35);
  return uniform(random, 0.3, 1);
}

/** Tells for a point of this level, and the tissue there, whether it bleeds. Null where the bleeding does not reach. */
export type Covers = (x: number, y: number, tissue: Tissue) => boolean;

export function bleedingAt(bleeding: Bleeding, head: Head, level: Level): Covers | null {
  const t = (level.z - bleeding.z) / bleeding.halfHeightMm;
  const taper = 1 - t * t;
  if (taper <= 0) return null;
  if (bleeding.kind === 'epidural') return epidural(bleeding, level, taper);
  if (bleeding.kind === 'subdural') return subdural(bleeding, level, taper);
  if (bleeding.kind === 'subarachnoid') return subarachnoid(bleeding, level, taper);
  if (bleeding.kind === 'intraparenchymal') return intraparenchymal(bleeding, head, level, taper);
  return intraventricular(bleeding, taper);
}

/** Biconvex: the inside of the skull cut by a disc whose centre lies outside of it. */
function epidural(bleeding: Bleeding, level: Level, taper: number): Covers {
  const thick = bleeding.sizeMm * taper;
  const half = bleeding.spread * (0.5 + 0.5 * taper);
  const radius = (half * half + thick * thick) / (2 * thick);
  const [ux, uy] = bleeding.direction;
  const toSkull = 1 / Math.sqrt(ellipse(level.inner, ux, uy));
  const cx = ux * (toSkull + radius - thick);
  const cy = uy * (toSkull + radius - thick);
  return (x, y, tissue) => isInside(tissue) && (x - cx) * (x - cx) + (y - cy) * (y - cy) < radius * radius;
}

/** A crescent: thickest in the middle of its arc, on one side of the falx. */
function subdural(bleeding: Bleeding, level: Level, taper: number): Covers {
  const [ux, uy] = bleeding.direction;
  return (x, y, tissue) => {
    if (!isInside(tissue) || x * ux < 0 || Math.abs(x) < 1.5) return false;
    const cosine = (x * ux + y * uy) / (Math.sqrt(x * x + y * y) + 1e-6);
    if (cosine < bleeding.spread) return false;
    const thin = (1 - cosine) / (1 - bleeding.spread);
    return depthMm(level, x, y) < bleeding.sizeMm * Math.sqrt(taper) * (1 - 0.8 * thin);
  };
}

/** In the rim and the sulci of a region, and nowhere else. */
function subarachnoid(bleeding: Bleeding, level: Level, taper: number): Covers {
  const [ux, uy] = bleeding.direction;
  return (x, y, tissue) => {
    if (tissue !== 'sulcus' && tissue !== 'rim') return false;
    const cosine = (x * ux + y * uy) / (Math.sqrt(x * x + y * y) + 1e-6);
    if (cosine < bleeding.spread + 0.4 * (1 - taper)) return false;
    return depthMm(level, x, y) < bleeding.sizeMm;
  };
}

/** A ball with a rough surface, well inside the brain; it stays at one place while the level changes. */
function intraparenchymal(bleeding: Bleeding, head: Head, level: Level, taper: number): Covers {
  const widest = levelAt(head, bleeding.z);
  const away = 0.36 + 0.26 * bleeding.spread;
  const cx = bleeding.direction[0] * widest.inner[0] * away;
  const cy = bleeding.direction[1] * widest.inner[1] * away;
  const radius = bleeding.sizeMm * Math.sqrt(taper);
  return (x, y, tissue) => {
    if (tissue !== 'grey' && tissue !== 'white' && tissue !== 'sulcus') return false;
    const rough = 0.75 + 0.5 * latticeNoise(bleeding.noiseSeed, x / 7 + 50, y / 7 + level.z * 0.05 + 50);
    return (x - cx) * (x - cx) + (y - cy) * (y - cy) < radius * radius * rough;
  };
}

/** Blood sinks to the back of the ventricles, or fills them. */
function intraventricular(bleeding: Bleeding, taper: number): Covers {
  const level = 6 - 34 * bleeding.spread * taper;
  return (_x, y, tissue) => tissue === 'ventricle' && y > level;
}

function isInside(tissue: Tissue): boolean {
  return tissue !== 'air' && tissue !== 'scalp' && tissue !== 'skull';
}
