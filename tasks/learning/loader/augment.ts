// Flip, rotation, crop and resize as one affine warp, sampled once. Training, validation and test-time views all go through
// the same sampler, so a network never meets a resampling that it was not trained on.

import type { Random } from '../random.ts';
import type { RgbImage } from './png.ts';

/** A box in source pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** In this order: mirror left-right, rotate about the centre (the frame stays, positive is counter-clockwise), crop, resize. */
export interface View {
  readonly flip: boolean;
  readonly degrees: number;
  /** The whole frame where absent. */
  readonly crop?: Box;
}

export const IDENTITY: View = { flip: false, degrees: 0 };
/** Test-time augmentation: identity, mirrored, rotated by -10 and +10 degrees. */
export const TTA_VIEWS: readonly View[] = [
  IDENTITY,
  { flip: true, degrees: 0 },
  { flip: false, degrees: -10 },
  { flip: false, degrees: 10 },
];

const MAX_DEGREES = 15;
const SCALE = [0.85, 1] as const;
const RATIO = [0.8, 1.2] as const;

/**
 * A training view: mirrored with probability 1/2; rotated uniformly within ±15 degrees; cropped to a share of the frame's area
 * uniform in 0.85..1 and an aspect ratio (width/height) log-uniform in 0.8..1.2. Sizes, places and the fallback after ten
 * boxes that do not fit are those of torchvision's RandomResizedCrop.get_params.
 */
export function drawView(random: Random, width: number, height: number): View {
  const flip = random.next() < 0.5;
  const degrees = (2 * random.next() - 1) * MAX_DEGREES;
  return { flip, degrees, crop: drawCrop(random, width, height) };
}

function drawCrop(random: Random, width: number, height: number): Box {
  const between = (low: number, high: number): number => low + random.next() * (high - low);
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * between(...SCALE);
    const ratio = Math.exp(between(Math.log(RATIO[0]), Math.log(RATIO[1])));
    const w = Math.round(Math.sqrt(area * ratio));
    const h = Math.round(Math.sqrt(area / ratio));
    if (w === 0 || h === 0 || w > width || h > height) continue;
    const top = Math.floor(random.next() * (height - h + 1));
    const left = Math.floor(random.next() * (width - w + 1));
    return { left, top, width: w, height: h };
  }
  const ratio = width / height;
  const w = ratio > RATIO[1] ? Math.round(height * RATIO[1]) : width;
  const h = ratio < RATIO[0] ? Math.round(width / RATIO[0]) : height;
  return { left: (width - w) >> 1, top: (height - h) >> 1, width: w, height: h };
}

/**
 * x = a u + b v + c, y = d u + e v + f: from a place in the S x S output to one in the source. Both are continuous, pixel i
 * spans i to i + 1.
 */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export function affineOf(view: View, width: number, height: number, size: number): Affine {
  const crop = view.crop ?? { left: 0, top: 0, width, height };
  const [scaleX, scaleY] = [crop.width / size, crop.height / size];
  const angle = (view.degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [offsetX, offsetY] = [crop.left - width / 2, crop.top - height / 2];
  const mirror = view.flip ? -1 : 1;
  return [
    mirror * cos * scaleX,
    -mirror * sin * scaleY,
    mirror * (cos * offsetX - sin * offsetY) + width / 2,
    sin * scaleX,
    cos * scaleY,
    sin * offsetX + cos * offsetY + height / 2,
  ];
}

/**
 * Samples `image` into `out` at `offset`, (3, size, size), values through `levels` (256 entries).
 * Bilinear as Pillow's `transform(AFFINE, BILINEAR)`: inside the frame coordinates are held at the border pixels' centres,
 * outside it the value is that of a stored 0, air. Where the warp shrinks, an output pixel is the mean of n x n such samples
 * at most one source pixel apart, n = ceil(step - 0.1) for a step of that many source pixels: without it, noise is aliased
 * and not averaged. Enlarging is torchvision's resize to rounding; shrinking is close to its antialias, not equal.
 */
export function warp(
  image: RgbImage,
  affine: Affine,
  levels: Float32Array,
  size: number,
  out: Float32Array,
  offset: number,
): void {
  const source = new Float32Array(image.pixels.length);
  for (let i = 0; i < source.length; i++) source[i] = levels[image.pixels[i]!]!;
  const [a, b, c, d, e, f] = affine;
  const n = Math.max(1, Math.ceil(Math.max(Math.hypot(a, d), Math.hypot(b, e)) - 0.1));
  const sums = new Float64Array(3 * size);
  for (let row = 0; row < size; row++) {
    sums.fill(0);
    for (let line = 0; line < n; line++) {
      const v = row + (line + 0.5) / n;
      const [x, y] = [a * (0.5 / n) + b * v + c, d * (0.5 / n) + e * v + f];
      addSamples(source, image.width, image.height, levels[0]!, x, y, a / n, d / n, n, sums);
    }
    for (let channel = 0; channel < 3; channel++) {
      const start = offset + (channel * size + row) * size;
      for (let column = 0; column < size; column++) out[start + column] = sums[3 * column + channel]! / (n * n);
    }
  }
}

/** Adds `n` samples to each of the sums (size, 3), along a line in the source from (x, y) in steps of (dx, dy). */
function addSamples(
  source: Float32Array,
  width: number,
  height: number,
  outside: number,
  x: number,
  y: number,
  dx: number,
  dy: number,
  n: number,
  sums: Float64Array,
): void {
  const count = (sums.length / 3) * n;
  for (let sample = 0, to = 0, left = n; sample < count; sample++) {
    const px = x + sample * dx;
    const py = y + sample * dy;
    if (px >= 0 && px < width && py >= 0 && py < height) {
      // Held at the centres of the border pixels, where the next one then has no weight.
      const qx = Math.min(Math.max(px - 0.5, 0), width - 1);
      const qy = Math.min(Math.max(py - 0.5, 0), height - 1);
      const column = qx | 0;
      const row = qy | 0;
      const wx = qx - column;
      const wy = qy - row;
      const i = 3 * (row * width + column);
      const right = column + 1 < width ? 3 : 0;
      const below = row + 1 < height ? 3 * width : 0;
      const p = (1 - wx) * (1 - wy);
      const q = wx * (1 - wy);
      const r = (1 - wx) * wy;
      const s = wx * wy;
      const j = i + right;
      const k = i + below;
      const l = k + right;
      sums[to]! += p * source[i]! + q * source[j]! + r * source[k]! + s * source[l]!;
      sums[to + 1]! += p * source[i + 1]! + q * source[j + 1]! + r * source[k + 1]! + s * source[l + 1]!;
      sums[to + 2]! += p * source[i + 2]! + q * source[j + 2]! + r * source[k + 2]! + s * source[l + 2]!;
    } else {
      sums[to]! += outside;
      sums[to + 1]! += outside;
      sums[to + 2]! += outside;
    }
    if (--left === 0) {
      left = n;
      to += 3;
    }
  }
}
