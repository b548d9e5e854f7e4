// Random numbers by name instead of by history: a stream depends on the numbers that name it (purpose, seed, epoch, image) and
// on nothing that was drawn before, so that workers, resumes and batch sizes cannot shift it.

/** What a stream is for, so that two uses with the same seed never share numbers. */
export const ORDER = 1;
export const AUGMENT = 2;

/** A stream of uniform doubles in [0, 1). sfc32 by C. Doty-Humphrey (PractRand), its state filled by murmur3's finaliser. */
export function randomStream(...name: number[]): () => number {
  const state = new Uint32Array(4);
  name.forEach((part, i) => {
    for (let word = 0; word < 3; word++)
      state[word] = mix(state[word]! ^ mix(part + Math.imul(word + 1, 0x9e3779b9) + i));
  });
  state[3] = 1;
  for (let i = 0; i < 12; i++) next(state);
  return () => ((next(state) >>> 5) * 0x4000000 + (next(state) >>> 6)) / 0x20000000000000;
}

/** 0..length-1 in random order (Fisher-Yates). */
export function shuffled(length: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function next(state: Uint32Array): number {
  const [a, b, c, counter] = state as unknown as [number, number, number, number];
  const sum = (a + b + counter) >>> 0;
  state[3] = counter + 1;
  state[0] = b ^ (b >>> 9);
  state[1] = c + (c << 3);
  state[2] = ((c << 21) | (c >>> 11)) + sum;
  return sum;
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
