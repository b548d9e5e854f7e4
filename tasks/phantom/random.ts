// Random numbers of the phantom: integer arithmetic and IEEE division only, so that a seed gives the same bytes on every
// machine and version of Node. Math.sin, exp and log may differ in the last bit between engines and are not used.
import { createHash } from 'node:crypto';

/** Draws numbers in [0, 1) with 32 random bits. */
export type Random = () => number;

/** A stream of its own for every name: drawing more in one place never shifts the numbers of another. */
export function randomFor(...name: readonly (string | number)[]): Random {
  const digest = createHash('sha256').update(name.join('/')).digest();
  return sfc32(digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8));
}

/** Chris Doty-Humphrey's sfc32 ("small fast counting", PractRand 0.94), seeded as published: counter 1, 12 rounds. */
function sfc32(seedA: number, seedB: number, seedC: number): Random {
  let [a, b, c, counter] = [seedA, seedB, seedC, 1];
  const next = (): number => {
    const out = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return (out >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

export function uniform(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

/** An integer in 0..count-1. */
export function below(random: Random, count: number): number {
  return Math.floor(random() * count);
}

/** Nearly normal, mean 0, standard deviation 1: the sum of four uniforms (Irwin and Hall), scaled. */
export function gaussian(random: Random): number {
  return (random() + random() + random() + random() - 2) * Math.sqrt(3);
}

/** Fisher and Yates, in place. */
export function shuffle<T>(random: Random, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** Smooth noise in 0..1 over the plane: random values on the integer lattice, joined by smoothstep (value noise). */
export function latticeNoise(seed: number, x: number, y: number): number {
  const ix = Math.floor(x);
  const iy = Math.floor(y);
  const fx = (x - ix) * (x - ix) * (3 - 2 * (x - ix));
  const fy = (y - iy) * (y - iy) * (3 - 2 * (y - iy));
  const top = latticeValue(seed, ix, iy) * (1 - fx) + latticeValue(seed, ix + 1, iy) * fx;
  const bottom = latticeValue(seed, ix, iy + 1) * (1 - fx) + latticeValue(seed, ix + 1, iy + 1) * fx;
  return top * (1 - fy) + bottom * fy;
}

function latticeValue(seed: number, ix: number, iy: number): number {
  let h = (seed ^ Math.imul(ix, 0x27d4eb2d) ^ Math.imul(iy, 0x165667b1)) | 0;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b); // The finaliser of MurmurHash3 (Appleby).
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}
