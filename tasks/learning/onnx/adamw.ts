// AdamW (Loshchilov and Hutter, 2019) as PyTorch computes it: decoupled decay of every parameter, bias-corrected moments,
// epsilon outside the root. It works on the flat vectors of parameters and moments, inside the training graph.
import type { Emitter } from './emitter.ts';

export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** The numbers of a step that the host computes. */
export const HOST_NUMBERS = 3;

/** [1 - lr·weightDecay, lr / (1 - beta1^t), 1 / (1 - beta2^t)] for step t = 1, 2, …: in float64, so late steps lose nothing. */
export function hostNumbers({ beta1, beta2, weightDecay }: AdamW, lr: number, step: number): Float32Array {
  return Float32Array.of(1 - lr * weightDecay, lr / (1 - beta1 ** step), 1 / (1 - beta2 ** step));
}

export interface AdamWState {
  readonly params: string;
  readonly m: string;
  readonly v: string;
}

/** Adds one step to the ONNX graph: names of flat vectors [P], and `host` as above → names of their next values. */
export function addAdamW(
  e: Emitter,
  { host, ...vectors }: AdamWInputs & { readonly host: string },
  adamW: AdamW,
): AdamWState {
  return update(e, vectors, numbersOf(e, host), adamW);
}

/** Values of a vector in one turn of `addAdamWInTurns`: few enough for the caches, enough to share among threads. */
export const TURN = 262_144;

/**
 * The same for vectors of so many turns, a turn at a time: else each of its dozen operations is a pass over memory. The next
 * values are [turns, TURN].
 */
export function addAdamWInTurns(
  e: Emitter,
  { host, params, m, v, gradient }: AdamWInputs & { readonly host: string },
  adamW: AdamW,
  turns: number,
): AdamWState {
  const numbers = numbersOf(e, host);
  const next = e.scan(turns, (cut) => {
    const part = (vector: string): string => cut(vector, [TURN]);
    const own = { params: part(params), m: part(m), v: part(v), gradient: part(gradient) };
    const { params: params2, m: m2, v: v2 } = update(e, own, numbers, adamW);
    return [params2, m2, v2];
  });
  return { params: next[0]!, m: next[1]!, v: next[2]! };
}

type AdamWInputs = AdamWState & { readonly gradient: string };

const numbersOf = (e: Emitter, host: string): string[] =>
  Array.from({ length: HOST_NUMBERS }, (_, i) => e.emit('Slice', [host, e.ints([i]), e.ints([i + 1]), e.ints([0])]));

function update(
  e: Emitter,
  { params, m, v, gradient }: AdamWInputs,
  numbers: readonly string[],
  { beta1, beta2, epsilon }: AdamW,
): AdamWState {
  const m2 = follow(e, m, gradient, 1 - beta1);
  const v2 = follow(e, v, e.emit('Mul', [gradient, gradient]), 1 - beta2);
  const root = e.emit('Sqrt', [e.emit('Mul', [v2, numbers[2]!])]);
  const step = e.emit('Div', [m2, e.emit('Add', [root, e.floats([epsilon], [])])]);
  const decayed = e.emit('Mul', [params, numbers[0]!]);
  return { params: e.emit('Sub', [decayed, e.emit('Mul', [step, numbers[1]!])]), m: m2, v: v2 };
}

/** old + rate·(target - old). */
export function follow(e: Emitter, old: string, target: string, rate: number): string {
  const step = e.emit('Mul', [e.emit('Sub', [target, old]), e.floats([rate], [])]);
  return e.emit('Add', [old, step]);
}
