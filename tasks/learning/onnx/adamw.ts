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
  { params, m, v, host, gradient }: AdamWState & { readonly host: string; readonly gradient: string },
  { beta1, beta2, epsilon }: AdamW,
): AdamWState {
  const number = (i: number): string => e.emit('Slice', [host, e.ints([i]), e.ints([i + 1]), e.ints([0])]);
  const m2 = follow(e, m, gradient, 1 - beta1);
  const v2 = follow(e, v, e.emit('Mul', [gradient, gradient]), 1 - beta2);
  const root = e.emit('Sqrt', [e.emit('Mul', [v2, number(2)])]);
  const step = e.emit('Div', [m2, e.emit('Add', [root, e.floats([epsilon], [])])]);
  const decayed = e.emit('Mul', [params, number(0)]);
  return { params: e.emit('Sub', [decayed, e.emit('Mul', [step, number(1)])]), m: m2, v: v2 };
}

/** old + rate·(target - old). */
export function follow(e: Emitter, old: string, target: string, rate: number): string {
  const step = e.emit('Mul', [e.emit('Sub', [target, old]), e.floats([rate], [])]);
  return e.emit('Add', [old, step]);
}
