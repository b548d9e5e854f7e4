// AdamW inside the graph against torch.optim.AdamW (golden/adamw.json, written by test/oracles/learning/golden.py).
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { addAdamW, addAdamWInTurns, HOST_NUMBERS, hostNumbers, TURN } from '../../../tasks/learning/onnx/adamw.ts';
import { createEmitter } from '../../../tasks/learning/onnx/emitter.ts';
import { mixed } from './mixed.ts';
import { worst } from './rig.ts';

const VALUES = 7;
const ways = [
  { name: 'at once', add: addAdamW, length: VALUES, at: 0 },
  // The values lie on both sides of a turn's end.
  {
    name: 'in turns',
    add: (...[e, inputs, adamW]: Parameters<typeof addAdamW>) => addAdamWInTurns(e, inputs, adamW, 2),
    length: 2 * TURN,
    at: TURN - 3,
  },
];

it.each(ways)('ten steps of AdamW $name, gradients and learning rates changing, are those of PyTorch', async (way) => {
  const { add, length, at } = way;
  const golden = JSON.parse(readFileSync(new URL('golden/adamw.json', import.meta.url), 'utf8')) as number[][];
  const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.05 };
  const e = createEmitter();
  const flat = (name: string): string => e.input(name, [length]);
  const names = { params: flat('params'), m: flat('m'), v: flat('v'), gradient: flat('gradient') };
  const next = add(e, { ...names, host: e.input('host', [HOST_NUMBERS]) }, adamW);
  for (const key of ['params', 'm', 'v'] as const) e.output(`${key}_out`, e.reshape(next[key], [length]), [length]);
  const session = await InferenceSession.create(e.encode());
  const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [data.length]);
  const placed = (values: ArrayLike<number>): Tensor => {
    const vector = new Float32Array(length);
    vector.set(values, at);
    return tensor(vector);
  };
  let state = {
    params: placed(mixed(VALUES, 1)),
    m: placed([]),
    v: placed([]),
  };
  for (const [i, expected] of golden.entries()) {
    const host = tensor(hostNumbers(adamW, 1e-3 * (i + 1), i + 1));
    const result = await session.run({ ...state, gradient: placed(mixed(VALUES, 50 + i)), host });
    state = { params: result.params_out as Tensor, m: result.m_out as Tensor, v: result.v_out as Tensor };
    const values = (state.params.data as Float32Array).subarray(at, at + VALUES);
    expect(worst(values, expected)).toBeLessThan(1e-6);
  }
  await session.release();
});
