// A synthetic head: nested ellipses for scalp, skull and brain that shrink towards the vertex, sulci, grey and white
// matter, ventricles, falx. Coordinates are millimetres from the head's centre: x to the right of the picture, y towards
// the back, z up from the level of the lateral ventricles.
import { below, latticeNoise, type Random, uniform } from './random.ts';

export interface Head {
  /** Half axes of the skull's outer surface at its widest level. */
  readonly halfWidthMm: number;
  readonly halfLengthMm: number;
  readonly skullMm: number;
  /** Size of the ventricles, 1 in the mean. */
  readonly ventricles: number;
  readonly noiseSeed: number;
}

/** The head's outlines at one level. */
export interface Level {
  readonly z: number;
  /** Half axes of the skull's inner surface, of its outer surface, and of the skin. */
  readonly inner: readonly [number, number];
  readonly outer: readonly [number, number];
  readonly skin: readonly [number, number];
}

export const SCALP_MM = 5;

export function drawHead(random: Random): Head {
  const size = uniform(random, 0.93, 1.06);
  return {
    halfWidthMm: 71 * size,
    halfLengthMm: 89 * size * uniform(random, 0.97, 1.03),
    skullMm: uniform(random, 5.5, 8),
    ventricles: uniform(random, 0.85, 1.3),
    noiseSeed: below(random, 2 ** 31),
  };
}

export function levelAt(head: Head, z: number): Level {
  // An egg: flatter towards the base than towards the vertex.
  const t = z > 0 ? z / 98 : z / 130;
  const scale = Math.sqrt(1 - t * t);
  const a = head.halfWidthMm * scale;
  const b = head.halfLengthMm * scale;
  return { z, inner: [a - head.skullMm, b - head.skullMm], outer: [a, b], skin: [a + SCALP_MM, b + SCALP_MM] };
}

/** Squared distance from the centre in units of the ellipse: below 1 inside. */
export function ellipse(half: readonly [number, number], x: number, y: number): number {
  const u = x / half[0];
  const v = y / half[1];
  return u * u + v * v;
}

export type Tissue = 'air' | 'scalp' | 'skull' | 'rim' | 'sulcus' | 'grey' | 'white' | 'ventricle' | 'falx';

export const TISSUE_HU: Readonly<Record<Tissue, number>> = {
  air: -1000,
  scalp: 22,
  skull: 950,
  rim: 12,
  sulcus: 14,
  grey: 37,
  white: 28,
  ventricle: 6,
  falx: 44,
};

/** How far below the skull's inner surface a point of the brain lies, in mm, to first order. */
export function depthMm(level: Level, x: number, y: number): number {
  return (1 - Math.sqrt(ellipse(level.inner, x, y))) * 0.5 * (level.inner[0] + level.inner[1]);
}

export function tissueAt(head: Head, level: Level, x: number, y: number): Tissue {
  if (ellipse(level.skin, x, y) >= 1) return 'air';
  if (ellipse(level.outer, x, y) >= 1) return 'scalp';
  const inside = ellipse(level.inner, x, y);
  if (inside >= 1) return 'skull';
  const depth = depthMm(level, x, y);
  if (depth < 2) return 'rim';
  if (x > -0.9 && x < 0.9 && depth < 30) return 'falx';
  if (inVentricle(head, level.z, x, y)) return 'ventricle';
  if (depth > 22) return isDeepGrey(level.z, x, y) ? 'grey' : 'white';
  const fold = foldAt(head, level, x, y);
  if (fold > 0.56 + 0.018 * depth) return 'sulcus';
  return depth < 7 || fold > 0.42 + 0.018 * depth ? 'grey' : 'white';
}

/** How deep in a fold of the cortex: noise over the direction from the centre, so that sulci run inwards. */
function foldAt(head: Head, level: Level, x: number, y: number): number {
  const r = Math.sqrt(x * x + y * y) + 1e-6;
  const drift = level.z * 0.03;
  return latticeNoise(head.noiseSeed, (x / r) * 6 + drift + 100, (y / r) * 6 - drift + 100);
}

/** The lateral ventricles, a bent ellipse on either side that diverges towards its horns. */
function inVentricle(head: Head, z: number, x: number, y: number): boolean {
  const t = z / 27;
  const room = 1 - t * t;
  if (room <= 0) return false;
  const along = y + 4;
  const away = Math.abs(x) - 9 - 0.16 * Math.abs(along);
  const u = away / (6.5 * head.ventricles);
  const v = along / (27 * head.ventricles);
  return u * u + v * v < room;
}

function isDeepGrey(z: number, x: number, y: number): boolean {
  const u = (Math.abs(x) - 25) / 9;
  const v = (y - 2) / 16;
  const w = z / 18;
  return u * u + v * v + w * w < 1;
}
