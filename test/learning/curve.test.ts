// A learning curve beside PyTorch's: the same network, data, order, initial weights and schedule for 100 steps. The losses that
// test/oracles/learning/curve.py wrote are in golden/; where PyTorch is installed, they are made
// anew too.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cosine } from '../../tasks/learning/training/fit.ts';
import { createTrainer } from '../../tasks/learning/training/trainer.ts';
import { filledWeights, mixed } from './core/mixed.ts';

interface Curve {
  readonly side: number;
  readonly batch: number;
  readonly images: number;
  readonly rate: number;
  readonly losses: number[];
}

const read = <T>(name: string): T => JSON.parse(readFileSync(path.join(import.meta.dirname, name), 'utf8')) as T;
const golden = read<Curve>('golden/curve.json');
const { shapes } = read<{ shapes: Record<string, number[]> }>('core/golden/efficientnet.json');

/** The oracle's images: noise, with a bright square whose place follows the labels. */
function data({ side, images }: Curve): { x: Float32Array; y: Float32Array } {
  const y = Float32Array.from(mixed(images * 6, 1002), (value) => Number(value > 0));
  const noise = mixed(images * 3 * side * side, 1001);
  const x = Float32Array.from(noise, (value, i) => {
    const [column, row, n] = [i % side, Math.floor(i / side) % side, Math.floor(i / (3 * side * side))];
    const k = Math.floor((row - 4) / 8);
    const lit = k >= 0 && k < 6 && k === Math.floor((column - 4) / 8) && y[6 * n + k] === 1;
    return 0.25 * value + (lit ? 0.5 : 0);
  });
  return { x, y };
}

test('a hundred steps have PyTorch’s losses, within a thousandth', async () => {
  const { side, batch, images, rate, losses } = golden;
  const model = {
    name: 'curve',
    arch: 'efficientnet',
    input: side,
    width: 0.25,
    depth: 0.5,
    dropout: 0,
    dropConnect: 0,
  };
  const trainer = await createTrainer({
    model: { ...model, arch: 'efficientnet' },
    batch,
    threads: 1,
    seed: 1,
    weightDecay: 0.01,
    classWeights: [2, 1, 1, 1, 1, 1],
    device: 'cpu',
  });
  await trainer.load({ weights: filledWeights(shapes) });
  const { x, y } = data(golden);
  const errors: number[] = [];
  for (const [step, expected] of losses.entries()) {
    const begin = (step * batch) % images;
    const [xs, ys] = [3 * side * side, 6].map((size) => [begin * size, (begin + batch) * size] as const);
    const lr = cosine(rate, step, losses.length);
    const { loss } = await trainer.step(x.slice(...xs!), y.slice(...ys!), { lr });
    errors.push(Math.abs(loss - expected) / expected);
  }
  await trainer.close();
  expect(losses.length).toBe(100);
  expect(losses[99]).toBeLessThan(losses[0]! / 5);
  expect(Math.max(...errors)).toBeLessThan(1e-3);
});

const python = '/usr/bin/python3';
const live = spawnSync(python, ['-c', 'import torch']).status === 0;

test.runIf(live)(
  'the losses in golden/ are those that PyTorch gives here',
  () => {
    const script = path.join(import.meta.dirname, '../oracles/learning/curve.py');
    const { losses } = JSON.parse(spawnSync(python, [script, '-'], { encoding: 'utf8' }).stdout) as Curve;
    for (const [step, loss] of losses.entries()) expect(Math.abs(loss / golden.losses[step]! - 1)).toBeLessThan(1e-6);
  },
  300_000,
);
