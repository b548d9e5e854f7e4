// The trainer as its callers see it: reproducible, resumable, exportable, and able to learn.
import { afterEach, describe, expect, it } from 'vitest';
import {
  createPredictor,
  createTrainer,
  exportOnnx,
  initialise,
  type ModelSpec,
  type Tensors,
  type Trainer,
  type TrainerOptions,
} from '../../../tasks/learning/training/trainer.ts';
import { normals, worst } from './rig.ts';

const SIDE = 32;
const model: ModelSpec = { name: 'small', arch: 'efficientnet', input: SIDE, width: 0.25, depth: 0.5 };
const options: TrainerOptions = {
  model,
  batch: 8,
  threads: 2,
  seed: 3,
  weightDecay: 0.01,
  classWeights: [2, 1, 1, 1, 1, 1],
};
const batch = (i: number, n = 8): { x: Float32Array; y: Float32Array } => ({
  x: normals(n * 3 * SIDE * SIDE, 10 + i),
  y: normals(n * 6, 1000 + i).map((value) => Number(value > 0)),
});

const open: Trainer[] = [];
async function trainer(overrides: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const t = await createTrainer({ ...options, ...overrides });
  open.push(t);
  return t;
}
afterEach(async () => {
  for (const t of open.splice(0)) await t.close();
});

async function run(t: Trainer, from: number, to: number): Promise<number[]> {
  const losses: number[] = [];
  for (let i = from; i < to; i++) losses.push((await t.step(batch(i).x, batch(i).y, { lr: 1e-3 })).loss);
  return losses;
}

const bytes = (tensors: Tensors): string =>
  [...tensors]
    .map(([name, { data }]) => name + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'))
    .join();

describe('a trainer', () => {
  it('gives the same bits twice, masks of dropout and stochastic depth included', async () => {
    const [a, b] = [await trainer(), await trainer()];
    expect(await run(a, 0, 4)).toEqual(await run(b, 0, 4));
    expect(bytes((await a.state()).weights)).toBe(bytes((await b.state()).weights));
  });

  it('gives other weights from another seed', async () => {
    const [a, b] = [await trainer(), await trainer({ seed: 4 })];
    expect(bytes((await a.state()).weights)).not.toBe(bytes((await b.state()).weights));
  });

  it('goes on from a saved state bit for bit', async () => {
    const whole = await trainer();
    await run(whole, 0, 2);
    const saved = await whole.state();
    const expected = await run(whole, 2, 5);
    const resumed = await trainer({ seed: 99 });
    await run(resumed, 7, 8);
    await resumed.load(saved);
    expect(await run(resumed, 2, 5)).toEqual(expected);
    expect(bytes((await resumed.state()).weights)).toBe(bytes((await whole.state()).weights));
    expect(bytes((await resumed.state()).optimizer)).toBe(bytes((await whole.state()).optimizer));
    expect((await resumed.state()).rng).toEqual((await whole.state()).rng);
    expect((await resumed.state()).step).toBe(5);
  });

  it('is not disturbed by predictions between its steps', async () => {
    const [a, b] = [await trainer(), await trainer()];
    await run(a, 0, 1);
    await a.predict(batch(0).x, 5);
    expect([...(await run(b, 0, 1)), ...(await run(b, 1, 3))].slice(1)).toEqual(await run(a, 1, 3));
  });

  it('draws its masks: two steps from the same weights differ, unless nothing is dropped', async () => {
    const difference = async (dropout: number, dropConnect: number): Promise<number> => {
      const t = await trainer({ model: { ...model, dropout, dropConnect } });
      const first = await t.step(batch(0).x, batch(0).y, { lr: 0 });
      const second = await t.step(batch(0).x, batch(0).y, { lr: 0 });
      return worst(first.logits, second.logits);
    };
    expect(await difference(0, 0)).toBe(0);
    expect(await difference(0.5, 0)).toBeGreaterThan(1e-3);
    expect(await difference(0, 0.9)).toBeGreaterThan(1e-6);
  });

  it('exports a file that predicts what it predicts, whatever the batch, and carries metadata', async () => {
    const t = await trainer();
    await run(t, 0, 3);
    const { x } = batch(5);
    const expected = await t.predict(x, 8);
    const onnx = exportOnnx(model, (await t.state()).weights, { windowing: 'subdural' });
    const predictor = await createPredictor(onnx, { threads: 1 });
    expect(predictor.inputSize).toBe(SIDE);
    expect(predictor.metadata.windowing).toBe('subdural');
    expect(worst(await predictor.predict(x, 8), expected)).toBeLessThan(1e-4);
    const one = 3 * SIDE * SIDE;
    expect(worst(await predictor.predict(x.slice(2 * one, 3 * one), 1), expected.slice(12, 18))).toBeLessThan(1e-4);
    await predictor.close();
  });

  it('overfits sixteen random images', async () => {
    const t = await trainer({ batch: 16, weightDecay: 0, model: { ...model, dropout: 0, dropConnect: 0 } });
    const { x, y } = batch(0, 16);
    let loss = 1;
    for (let i = 0; i < 150 && loss >= 0.02; i++) loss = (await t.step(x, y, { lr: 3e-3 })).loss;
    expect(loss).toBeLessThan(0.05);
  });

  it('refuses a batch of another size, weights that do not fit, and a device that does not exist', async () => {
    const t = await trainer();
    await expect(t.step(batch(0, 7).x, batch(0, 7).y, { lr: 1e-3 })).rejects.toThrow('a batch is [8,3,32,32]');
    const weights = initialise({ ...model, classes: 2 }, 1);
    await expect(t.load({ weights })).rejects.toThrow('"classifier.1.weight" has shape [2,');
    await expect(createTrainer({ ...options, device: 'abacus' })).rejects.toThrow('device "abacus" does not exist');
  });
});

describe('the published networks', () => {
  const count = (arch: ModelSpec['arch']): number => {
    const weights = initialise({ name: arch, arch, input: 64, classes: 1000 }, 1);
    return [...weights]
      .filter(([name]) => !name.includes('running_'))
      .reduce((sum, [, { data }]) => sum + data.length, 0);
  };
  it('have as many parameters as torchvision counts', () => {
    expect(count('efficientnet_b0')).toBe(5_288_548);
    expect(count('efficientnet_b3')).toBe(12_233_232);
    expect(count('efficientnet_b5')).toBe(30_389_784);
  });

  it('start from the published distributions', () => {
    const weights = initialise({ name: 'b0', arch: 'efficientnet_b0', input: 64 }, 1);
    const deviation = (name: string): number => {
      const { data } = weights.get(name)!;
      return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
    };
    expect(deviation('features.8.0.weight')).toBeCloseTo(Math.sqrt(2 / 1280), 3);
    expect(deviation('features.4.0.block.1.0.weight')).toBeCloseTo(Math.sqrt(2 / (240 * 9)), 2);
    expect(Math.max(...weights.get('classifier.1.weight')!.data)).toBeLessThanOrEqual(1 / Math.sqrt(6));
    expect(weights.get('features.0.1.weight')!.data.every((value) => value === 1)).toBe(true);
  });
});
