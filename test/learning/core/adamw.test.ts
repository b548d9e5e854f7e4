// AdamW inside the graph against torch.optim.AdamW (golden/adamw.json, written by test/oracles/learning/golden.py).
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { addAdamW, HOST_NUMBERS, hostNumbers } from '../../../tasks/learning/onnx/adamw.ts';
import { createEmitter } from '../../../tasks/learning/onnx/emitter.ts';
import { mixed } from './mixed.ts';
import { worst } from './rig.ts';

it('ten steps of AdamW with changing gradients and learning rates are those of PyTorch', async () => {
  const golden = JSON.parse(readFileSync(new URL('golden/adamw.json', import.meta.url), 'utf8')) as number[][];
  const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.05 };
  const e = createEmitter();
  const flat = (name: string): string => e.input(name, [7]);
  const names = { params: flat('params'), m: flat('m'), v: flat('v'), gradient: flat('gradient') };
  const next = addAdamW(e, { ...names, host: e.input('host', [HOST_NUMBERS]) }, adamW);
  for (const key of ['params', 'm', 'v'] as const) e.output(`${key}_out`, next[key], [7]);
  const session = await InferenceSession.create(e.encode());
  const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [data.length]);
  let state = {
    params: tensor(Float32Array.from(mixed(7, 1))),
    m: tensor(new Float32Array(7)),
    v: tensor(new Float32Array(7)),
  };
  for (const [i, expected] of golden.entries()) {
    const host = tensor(hostNumbers(adamW, 1e-3 * (i + 1), i + 1));
    const result = await session.run({ ...state, gradient: tensor(Float32Array.from(mixed(7, 50 + i))), host });
    state = { params: result.params_out as Tensor, m: result.m_out as Tensor, v: result.v_out as Tensor };
    expect(worst(state.params.data as Float32Array, expected)).toBeLessThan(1e-6);
  }
  await session.release();
});
