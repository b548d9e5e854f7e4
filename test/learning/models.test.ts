// The published networks at their published sizes against PyTorch: names and shapes, float32 logits, and the gradient of
// every parameter, its largest value and its product with a random direction. Golden numbers are written by
// test/oracles/learning/published.py, whose networks it compares with torchvision's and timm's. DAG_TORCH=all compares every value
// of every gradient with PyTorch as well, a network of each family.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Arch,
  createPredictor,
  createTrainer,
  exportOnnx,
  type ModelSpec,
  type Tensors,
} from '../../tasks/learning/training/trainer.ts';
import { readSafetensors } from '../../tasks/learning/weights/safetensors.ts';
import { filledWeights, keepSignal, mixed, shapesOf } from './core/mixed.ts';

interface Golden {
  side: number;
  tensors: string;
  logits: number[];
  step: { side: number; batch: number; loss: number; logits: number[]; largest: string; directions: string };
}

const goldens = JSON.parse(readFileSync(new URL('golden/published.json', import.meta.url), 'utf8')) as Record<
  Arch,
  Golden
>;
const oracle = path.resolve(import.meta.dirname, '../oracles/learning/published.py');
const python = '/usr/bin/python3';
const all = process.env.DAG_TORCH === 'all';
/** One of each: gradients in full take PyTorch some seconds a network. */
const families: readonly Arch[] = ['efficientnet_b0', 'densenet169', 'se_resnext101_32x4d'];
const MINUTES = 60_000;

const specOf = (arch: Arch, input: number): ModelSpec => ({ name: arch, arch, input, dropout: 0, dropConnect: 0 });

const image = (side: number, batch: number): Float32Array => new Float32Array(mixed(batch * 3 * side * side, 1001));
const floats = (packed: string): Float32Array => new Float32Array(new Uint8Array(Buffer.from(packed, 'base64')).buffer);
const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** As the oracle's `away_from_kinks`. */
function awayFromKinks(weights: Tensors): Tensors {
  const moved = new Map(weights);
  for (const [name, tensor] of weights) {
    const norm = name.replace(/\.bias$/, '');
    if (norm === name || !weights.has(`${norm}.running_mean`)) continue;
    const up = /bn3|downsample/.test(norm);
    const shift = Array.from(mixed(tensor.data.length, 77), (value) => (up || value > -0.5 ? 4 : -4));
    moved.set(name, { ...tensor, data: tensor.data.map((value, i) => value + shift[i]!) });
  }
  return moved;
}

/** Loss, logits and the gradients of one step: AdamW's first moment after it is the gradient. */
async function gradientsOf(arch: Arch, weights: Tensors, { side, batch }: Golden['step']) {
  const trainer = await createTrainer({
    model: specOf(arch, side),
    batch,
    threads: 2,
    seed: 1,
    weightDecay: 0,
    classWeights: [2, 1, 1, 1, 1, 1],
    device: 'cpu',
  });
  try {
    await trainer.load({ weights: arch.startsWith('efficientnet') ? weights : awayFromKinks(weights) });
    const y = Float32Array.from(mixed(batch * 6, 1002), (value) => Number(value > 0));
    const { loss, logits } = await trainer.step(image(side, batch), y, { lr: 0 });
    const gradients = new Map<string, Float32Array>();
    for (const [name, { data }] of (await trainer.state()).optimizer) {
      if (name.startsWith('m.')) gradients.set(name.slice(2), data.slice());
    }
    return { loss, logits, gradients };
  } finally {
    await trainer.close();
  }
}

describe.each(Object.keys(goldens) as Arch[])('%s', (arch) => {
  const golden = goldens[arch];
  const weights = filledWeights(shapesOf(specOf(arch, 64)));

  it('has the names and shapes of the published state dictionary', () => {
    const text = JSON.stringify(Object.entries(shapesOf(specOf(arch, 64))));
    expect(createHash('sha256').update(text).digest('hex')).toBe(golden.tensors);
  });

  it(
    `gives PyTorch's logits at ${golden.side} pixels`,
    async () => {
      const onnx = exportOnnx(specOf(arch, golden.side), keepSignal(weights), {});
      const predictor = await createPredictor(onnx, { threads: 2 });
      const logits = await predictor.predict(image(golden.side, 1), 1);
      await predictor.close();
      const off = difference(logits, golden.logits);
      console.log(`${arch}: logits differ by ${off.toExponential(1)}`);
      expect(off).toBeLessThan(1e-4);
    },
    2 * MINUTES,
  );

  // timm's present SE-ResNeXt differs from the first by a pooling and by names.
  it.runIf(all || arch !== 'seresnext101_32x4d')(
    `has PyTorch's gradients in float64`,
    async () => {
      const { loss, logits, gradients } = await gradientsOf(arch, weights, golden.step);
      expect(Math.abs(loss - golden.step.loss)).toBeLessThan(1e-4);
      expect(difference(logits, golden.step.logits)).toBeLessThan(1e-3);
      const [most, directions] = [floats(golden.step.largest), floats(golden.step.directions)];
      expect(gradients.size).toBe(most.length);
      const scale = Math.max(...most);
      const errors = [...gradients].map(([name, gradient], i) => {
        const along = mixed(gradient.length, 7).reduce((sum, value, j) => sum + value * gradient[j]!, 0);
        const off = [largest(gradient) - most[i]!, along / Math.sqrt(gradient.length) - directions[i]!];
        return { name, error: difference(off, [0, 0]) / scaleOf(most[i]!, scale) };
      });
      const worst = errors.reduce((a, b) => (b.error > a.error ? b : a));
      console.log(`${arch}: ${worst.name} differs most, by ${worst.error.toExponential(1)}`);
      expect(worst.error, worst.name).toBeLessThan(1e-3);
      if (all && families.includes(arch)) compareWithTorch(arch, golden.step, gradients);
    },
    5 * MINUTES,
  );
});

/** A gradient that is 0 in theory, of a shift that a norm takes away again, is only rounding: beside it stands the largest. */
const scaleOf = (most: number, scale: number): number => (most < 1e-10 * scale ? 1e-2 * scale : most);

/** Every value of every gradient, to 1e-3 of the tensor's largest. */
function compareWithTorch(
  arch: Arch,
  { side, batch }: Golden['step'],
  gradients: ReadonlyMap<string, Float32Array>,
): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'gradients-'));
  try {
    const file = path.join(folder, 'step.safetensors');
    execFileSync(python, [oracle, 'step', arch, String(side), String(batch), file]);
    const { tensors } = readSafetensors(file);
    const scale = Math.max(...[...gradients.values()].map(largest));
    const errors = [...gradients].map(([name, gradient]) => {
      const expected = tensors.get(name)!.data;
      const off = gradient.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
      return { name, error: off / scaleOf(largest(expected), scale) };
    });
    const worst = errors.reduce((a, b) => (b.error > a.error ? b : a));
    console.log(`${arch}: ${worst.name} differs most from PyTorch's, by ${worst.error.toExponential(1)}`);
    expect(worst.error, worst.name).toBeLessThan(1e-3);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
