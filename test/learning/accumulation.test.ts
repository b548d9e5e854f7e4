// Gradient accumulation, the moving average of the weights, and devices' common part: what the trainer adds to a step.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { InputError } from '../../engine/task.ts';
import { openPredictor } from '../../tasks/learning/device/device.ts';
import {
  createTrainer,
  exportOnnx,
  initialise,
  type ModelSpec,
  type Tensors,
  type Trainer,
  type TrainerOptions,
} from '../../tasks/learning/training/trainer.ts';
import { normals, worst } from './core/rig.ts';

const SIDE = 32;
const IMAGE = 3 * SIDE * SIDE;
const model: ModelSpec = {
  name: 'small',
  arch: 'efficientnet',
  input: SIDE,
  width: 0.25,
  depth: 0.25,
  dropout: 0,
  dropConnect: 0,
};
const options: TrainerOptions = {
  model,
  batch: 4,
  threads: 1,
  seed: 3,
  weightDecay: 0.01,
  classWeights: [2, 1, 1, 1, 1, 1],
  device: 'cpu',
};
/** Four different images, and twice the same four. */
const four = { x: normals(4 * IMAGE, 11), y: normals(4 * 6, 12).map((value) => Number(value > 0)) };
const other = { x: normals(4 * IMAGE, 13), y: normals(4 * 6, 14).map((value) => Number(value > 0)) };
const twice = (values: Float32Array): Float32Array => Float32Array.of(...values, ...values);

const open: Trainer[] = [];
async function trainer(overrides: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const t = await createTrainer({ ...options, ...overrides });
  open.push(t);
  return t;
}
afterEach(async () => {
  for (const t of open.splice(0)) await t.close();
});

function expectClose(actual: Tensors, expected: Tensors, tolerance: number): void {
  for (const [name, { data }] of expected) expect(worst(actual.get(name)!.data, data), name).toBeLessThan(tolerance);
}

/** After one step: moments start at zero. */
const gradients = async (t: Trainer): Promise<Tensors> =>
  new Map([...(await t.state()).optimizer].filter(([name]) => name.startsWith('m.')));

const bytes = (tensors: Tensors): string =>
  [...tensors]
    .map(([name, { data }]) => name + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'))
    .join();

describe('a step of parts', () => {
  it('gives the gradient, moments and loss of the large batch, where the parts have its statistics', async () => {
    const [whole, parts] = [await trainer({ batch: 8 }), await trainer({ parts: 2 })];
    const { loss } = await whole.step(twice(four.x), twice(four.y), { lr: 1e-3 });
    const losses = [];
    for (let i = 0; i < 2; i++) losses.push((await parts.step(four.x, four.y, { lr: 1e-3 })).loss);
    expect(losses[0]).toBeCloseTo(loss, 5);
    expect(losses[1]).toBeCloseTo(loss, 5);
    const largest = Math.max(...[...(await gradients(whole)).values()].flatMap(({ data }) => [...data].map(Math.abs)));
    for (const [name, { data }] of await gradients(whole)) {
      const found = (await gradients(parts)).get(name)!.data;
      const difference = data.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
      expect(difference, name).toBeLessThan(1e-4 * largest);
    }
    expect((await parts.state()).step).toBe(1);
  });

  it('gives the mean of the parts’ gradients, each taken alone', async () => {
    const [a, b, both] = [await trainer(), await trainer(), await trainer({ parts: 2 })];
    await a.step(four.x, four.y, { lr: 0 });
    await b.step(other.x, other.y, { lr: 0 });
    await both.step(four.x, four.y, { lr: 0 });
    await both.step(other.x, other.y, { lr: 0 });
    const [ma, mb, mean] = [await gradients(a), await gradients(b), await gradients(both)];
    const expected: Tensors = new Map(
      [...ma].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((value, i) => (value + mb.get(name)!.data[i]!) / 2) },
      ]),
    );
    expectClose(mean, expected, 2e-5);
  });

  it('starts anew after each step, and resumes between steps bit for bit', async () => {
    const run = async (t: Trainer, steps: number): Promise<void> => {
      for (let i = 0; i < steps; i++) {
        await t.step(four.x, four.y, { lr: 1e-3 });
        await t.step(other.x, other.y, { lr: 1e-3 });
      }
    };
    const dropping = { parts: 2, model: { ...model, dropout: 0.3, dropConnect: 0.3 } };
    const [whole, first, second] = [await trainer(dropping), await trainer(dropping), await trainer(dropping)];
    await run(whole, 3);
    await run(first, 1);
    await second.load(await first.state());
    await run(second, 2);
    expect(bytes((await second.state()).weights)).toBe(bytes((await whole.state()).weights));
    expect(bytes((await second.state()).optimizer)).toBe(bytes((await whole.state()).optimizer));
  });

  it('has no state to save before it is complete', async () => {
    const t = await trainer({ parts: 2 });
    await t.step(four.x, four.y, { lr: 1e-3 });
    await expect(t.state()).rejects.toThrow('after 1 of 2 parts of a step');
  });
});

describe('the moving average of the weights', () => {
  const DECAY = 0.3;
  it('is what TensorFlow’s formula gives for the weights of each step, and is what predicts', async () => {
    const [t, plain] = [await trainer({ ema: DECAY }), await trainer()];
    const mean = new Map([...(await t.state()).weights].map(([name, { data }]) => [name, Float64Array.from(data)]));
    for (let step = 1; step <= 4; step++) {
      for (const each of [t, plain]) await each.step(four.x, four.y, { lr: 1e-2 });
      const decay = Math.min(DECAY, (1 + step) / (10 + step));
      for (const [name, { data }] of (await plain.state()).weights) {
        const average = mean.get(name)!;
        for (let i = 0; i < data.length; i++) average[i] = decay * average[i]! + (1 - decay) * data[i]!;
      }
    }
    const state = await t.state();
    expect(bytes(state.weights)).toBe(bytes((await plain.state()).weights));
    for (const [name, expected] of mean)
      expect(worst(state.average!.get(name)!.data, expected), name).toBeLessThan(1e-5);
    await plain.load({ weights: state.average! });
    expect(await t.predict(other.x, 4)).toEqual(await plain.predict(other.x, 4));
  });

  it('goes on from a saved state bit for bit', async () => {
    const [whole, resumed] = [await trainer({ ema: 0.9 }), await trainer({ ema: 0.9 })];
    await whole.step(four.x, four.y, { lr: 1e-3 });
    await resumed.load(await whole.state());
    for (const each of [whole, resumed]) await each.step(other.x, other.y, { lr: 1e-3 });
    expect(bytes((await resumed.state()).average!)).toBe(bytes((await whole.state()).average!));
  });
});

describe('the choice of a device', () => {
  it('is said in one line, with why', async () => {
    expect((await trainer()).device).toBe('cpu (onnxruntime), as asked for');
    expect((await trainer({ device: 'auto' })).device).toBe('cpu (onnxruntime); no GPU was given to this node');
  });

  it('looks for a GPU where the node was given one, and says of each why it is not used', async () => {
    const { device } = await trainer({ device: 'auto', gpus: [0] });
    if (device.startsWith('cpu'))
      expect(device).toMatch(/^cpu \(onnxruntime\); not cuda: .+; not webgpu: .+; not tfjs: .+/);
    else expect(device).toMatch(/^(cuda|webgpu|tfjs) \(.+\), a step agrees with the CPU/);
  });

  it('is made for predictions too, where they agree with the CPU’s', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'device-'));
    const file = path.join(folder, 'model.onnx');
    writeFileSync(file, exportOnnx(model, initialise(model, 1), {}));
    const [none, some] = [
      await openPredictor(file, { threads: 1, gpus: [] }),
      await openPredictor(file, { threads: 1, gpus: [0] }),
    ];
    expect(none.line).toBe('cpu (onnxruntime); no GPU was given to this node');
    expect(some.line).toMatch(/^(cpu \(onnxruntime\); not cuda: .+; not webgpu: .+|.+ agree with the CPU.*)$/);
    expect(worst(await some.predictor.predict(four.x, 4), await none.predictor.predict(four.x, 4))).toBeLessThan(0.02);
    for (const { predictor } of [none, some]) await predictor.close();
    rmSync(folder, { recursive: true });
  });

  it('refuses to predict with a file that is no network, by name', async () => {
    const file = path.join(tmpdir(), `not-a-network-${process.pid}.onnx`);
    writeFileSync(file, 'cut off');
    const failure = openPredictor(file, { threads: 1, gpus: [] });
    await expect(failure).rejects.toThrow(/not-a-network-\d+\.onnx: this network cannot be opened: /);
    await expect(failure).rejects.toBeInstanceOf(InputError);
    rmSync(file);
  });

  it('refuses a device that cannot be used, with why', async () => {
    // Where there is one, its self-check passes; here or there, nothing else can happen.
    const failure = await createTrainer({ ...options, device: 'cuda' }).catch((error: unknown) => error);
    if (failure instanceof Error) {
      expect(failure).toBeInstanceOf(InputError);
      expect(failure.message).toMatch(/^device "cuda" cannot be used: .+; use auto or cpu$/);
    } else expect((failure as Trainer).device).toMatch(/^cuda/);
  });
});
