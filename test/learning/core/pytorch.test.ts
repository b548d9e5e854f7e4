// Whole networks against PyTorch's float64 numbers (golden files written by test/oracles/learning/golden.py): inference,
// logits, loss, every gradient, running statistics, and three steps of AdamW.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../../tasks/learning/graph/graph.ts';
import { interpret } from '../../../tasks/learning/graph/interpret.ts';
import { buildStep } from '../../../tasks/learning/onnx/training.ts';
import { createTrainer, type ModelSpec, type Trainer } from '../../../tasks/learning/training/trainer.ts';
import { filledWeights, mixed } from './mixed.ts';
import { type How, runLowered, worst } from './rig.ts';

interface Golden {
  side: number;
  batch: number;
  shapes: Record<string, number[]>;
  inference: number[];
  logits: number[];
  steps: number[];
  gradients: Record<string, number[]>;
  statistics: Record<string, number[]>;
  trained: Record<string, number[]>;
}

const classWeights = [2, 1, 1, 1, 1, 1];
const networks: [string, Omit<ModelSpec, 'input' | 'name'>][] = [
  ['efficientnet', { arch: 'efficientnet', width: 0.25, depth: 0.5, dropout: 0, dropConnect: 0 }],
];

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`golden/${name}.json`, import.meta.url), 'utf8')) as T;

/** Sum, Euclidean norm, and five values spread over the tensor: as the oracle summarises. */
function summary(values: ArrayLike<number>): number[] {
  const all = Array.from(values);
  const places = [0, 1, 2, 3, 4].map((i) => Math.floor((i * (all.length - 1)) / 4));
  return [all.reduce((a, b) => a + b, 0), Math.hypot(...all), ...places.map((i) => all[i]!)];
}

/** The largest difference of two summaries, relative to the tensor's norm; the sum may differ by √n times as much. */
function summaryError(actual: ArrayLike<number>, expected: readonly number[], floor = 1e-30): number {
  const got = summary(actual);
  const norm = Math.max(expected[1]!, floor);
  const sum = Math.abs(got[0]! - expected[0]!) / (norm * Math.sqrt(actual.length));
  return Math.max(sum, ...got.slice(1).map((value, i) => Math.abs(value - expected[i + 1]!) / norm));
}

describe.each(networks)('%s against PyTorch', (name, partial) => {
  const golden = read<Golden>(name);
  const spec: ModelSpec = { ...partial, name, input: golden.side };
  const weights = filledWeights(golden.shapes);
  const x = Float32Array.from(mixed(golden.batch * 3 * golden.side ** 2, 1001));
  const y = Float32Array.from(mixed(golden.batch * 6, 1002), (value) => Number(value > 0));
  const feeds = new Map<string, Float32Array>([...weights].map(([key, tensor]) => [key, tensor.data]));
  feeds.set('x', x);
  feeds.set('y', y);
  const trainer = (): Promise<Trainer> =>
    createTrainer({ model: spec, batch: golden.batch, threads: 2, seed: 1, weightDecay: 0.01, classWeights });

  it('has the same tensors under the same names', () => {
    const { net } = buildStep(spec, golden.batch, classWeights);
    const ours = [...net.parameters, ...net.buffers].map(({ name, shape }) => `${name} ${shape}`);
    expect(ours.sort()).toEqual(
      Object.entries(golden.shapes)
        .map(([key, shape]) => `${key} ${shape}`)
        .sort(),
    );
  });

  it('is, by definition in float64, the same function with the same gradients', () => {
    const step = buildStep(spec, golden.batch, classWeights);
    const [loss, logits, ...gradients] = interpret(step.net.graph, [step.loss, step.logits, ...step.gradients], feeds);
    expect(loss![0]).toBeCloseTo(golden.steps[0]!, 10);
    expect(worst(logits!, golden.logits)).toBeLessThan(1e-8);
    const largest = Math.max(...Object.values(golden.gradients).map((s) => s[1]!));
    step.net.parameters.forEach((parameter, i) => {
      const error = summaryError(gradients[i]!, golden.gradients[parameter.name]!, 1e-6 * largest);
      expect(error, parameter.name).toBeLessThan(1e-7);
    });
  });

  it.each([
    ['standard operators', 'standard'],
    ['the CPU', { lanes: 1, block: 1 }],
    ['the CPU in regions, one channel at a time', { lanes: 1, block: 1, chunk: 1 }],
    ['the CPU in regions, some channels at a time', { lanes: 1, block: 1, chunk: 4000 }],
  ] as [string, How][])('has the same gradients when lowered to %s, in float32', async (_way, how) => {
    const step = buildStep(spec, golden.batch, classWeights);
    const [loss, logits, ...gradients] = await runLowered(
      step.net.graph,
      [step.loss, step.logits, ...step.gradients],
      feeds,
      how,
    );
    expect(loss![0]).toBeCloseTo(golden.steps[0]!, 5);
    expect(worst(logits!, golden.logits)).toBeLessThan(1e-4);
    const largest = Math.max(...Object.values(golden.gradients).map((s) => s[1]!));
    step.net.parameters.forEach((parameter, i) => {
      const error = summaryError(gradients[i]!, golden.gradients[parameter.name]!, 1e-3 * largest);
      expect(error, `${parameter.name} [${parameter.shape}] ${sizeOf(parameter.shape)}`).toBeLessThan(1e-3);
    });
  });

  it('gives the same logits in inference, and the same losses, statistics and weights over three steps', async () => {
    const t = await trainer();
    await t.load({ weights });
    expect(worst(await t.predict(x, golden.batch), golden.inference)).toBeLessThan(1e-4);
    const first = await t.step(x, y, { lr: 1e-3 });
    expect(worst(first.logits, golden.logits)).toBeLessThan(1e-4);
    const statistics = (await t.state()).weights;
    for (const [key, expected] of Object.entries(golden.statistics)) {
      expect(summaryError(statistics.get(key)!.data, expected), key).toBeLessThan(1e-4);
    }
    const losses = [first.loss, (await t.step(x, y, { lr: 1e-3 })).loss, (await t.step(x, y, { lr: 1e-3 })).loss];
    expect(worst(losses, golden.steps)).toBeLessThan(1e-3);
    // A weight moves by about the learning rate a step whatever its gradient, so rounding decides where that is nearly 0.
    const trained = (await t.state()).weights;
    for (const [key, expected] of Object.entries(golden.trained)) {
      expect(summaryError(trained.get(key)!.data, expected, 1), key).toBeLessThan(6e-3);
    }
    await t.close();
  });
});
