// Seeded random streams (xoshiro128**, Blackman and Vigna 2018, seeded by SplitMix32) whose state is four numbers that a
// checkpoint can hold. Used for initial weights and for the masks of dropout and stochastic depth.

export interface Random {
  /** Uniform in [0, 1), 32 bits of it. */
  next(): number;
  /** Standard normal, by the polar-free Box–Muller transform; takes two uniforms a call. */
  normal(): number;
  state(): number[];
}

/** A stream from a seed; another `stream` number gives an independent one. */
export function createRandom(seed: number, stream = 0): Random {
  let z = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul((stream + 1) | 0, 0x85ebca6b)) | 0;
  const splitMix = (): number => {
    z = (z + 0x9e3779b9) | 0;
    let t = z ^ (z >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
  return resumeRandom([splitMix(), splitMix(), splitMix(), splitMix()]);
}

/** A stream that goes on where `state` was taken. Throws where `state` is not four 32-bit numbers. */
export function resumeRandom(state: readonly number[]): Random {
  if (state.length !== 4 || state.some((word) => !Number.isInteger(word) || word < 0 || word > 0xffffffff)) {
    throw new Error(`random: a stream's state is four 32-bit numbers, got [${state}]`);
  }
  let [a, b, c, d] = state as [number, number, number, number];
  const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result / 0x100000000;
  };
  return {
    next,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
  };
}
