// Random numbers by name instead of by history: a stream depends on the numbers that name it (purpose, seed, epoch, image) and
// on nothing that was drawn before, so that workers, resumes and batch sizes cannot shift it.
import { type Random, resumeRandom } from '../random.ts';

/** What a stream is for, so that two uses with the same seed never share numbers. */
export const ORDER = 1;
export const AUGMENT = 2;

/** The generator of random.ts in a state mixed from the name by murmur3's finaliser. */
export function randomStream(...name: number[]): Random {
  const state = [1, 2, 3, 4].map((word) => {
    let hash = mix(word);
    for (const part of name) hash = mix(hash ^ mix(part + 0x9e3779b9)) + word;
    return mix(hash);
  });
  return resumeRandom(state);
}

/** 0..length-1 in random order (Fisher-Yates). */
export function shuffled(length: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
