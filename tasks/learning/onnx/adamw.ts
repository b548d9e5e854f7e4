// AdamW (Loshchilov and Hutter, 2019) as PyTorch computes it: decoupled decay of every parameter, bias-corrected moments,
// epsilon outside the root. It works on the flat vectors of parameters and moments, inside the training graph. Every operation is
// a pass over vectors, so the moments are kept without their factors: m = Σ beta1^(t-i)·g, v = Σ beta2^(t-i)·g², i up to t.
import type { AdamW } from '../stepper.ts';
import type { Emitter } from './emitter.ts';

/** The numbers of a step that the host computes. */
export const HOST_NUMBERS = 3;

/**
 * [1 - lr·weightDecay, the rate of m / (√v + epsilon'), epsilon'] for step t = 1, 2, …, with the moments' factors, 1 - beta, and
 * their corrections, 1 / (1 - beta^t), in both: in float64, so late steps lose nothing.
 */
export function hostNumbers({ beta1, beta2, epsilon, weightDecay }: AdamW, lr: number, step: number): Float32Array {
  const root = Math.sqrt((1 - beta2 ** step) / (1 - beta2));
  const rate = (lr * (1 - beta1) * root) / (1 - beta1 ** step);
  return Float32Array.of(1 - lr * weightDecay, rate, epsilon * root);
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
  { beta1, beta2 }: AdamW,
): AdamWState {
  const [decay, rate, epsilon] = numbers as [string, string, string];
  const faded = (moment: string, beta: number): string => e.emit('Mul', [moment, e.floats([beta], [])]);
  const m2 = e.emit('Add', [faded(m, beta1), gradient]);
  const v2 = e.emit('Add', [faded(v, beta2), e.emit('Mul', [gradient, gradient])]);
  const step = e.emit('Div', [m2, e.emit('Add', [e.emit('Sqrt', [v2]), epsilon])]);
  const decayed = e.emit('Mul', [params, decay]);
  return { params: e.emit('Sub', [decayed, e.emit('Mul', [step, rate])]), m: m2, v: v2 };
}

/** old + rate·(target - old). */
export function follow(e: Emitter, old: string, target: string, rate: number): string {
  const step = e.emit('Mul', [e.emit('Sub', [target, old]), e.floats([rate], [])]);
  return e.emit('Add', [old, step]);
}
