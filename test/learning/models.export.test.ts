// The exported file of each published network: what ONNX's own checker says, and that batch norm is folded wherever a
// convolution stands before it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Arch, createPredictor, exportOnnx, type ModelSpec } from '../../tasks/learning/training/trainer.ts';
import { filledWeights, keepSignal, shapesOf } from './core/mixed.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'export-'));
afterAll(() => rmSync(folder, { recursive: true }));
const oracle = path.resolve(import.meta.dirname, '../oracles/learning/check_onnx.py');
/** One with PyPI's onnx: .ci/run makes it. */
const made = path.resolve(import.meta.dirname, '../../node_modules/.cache/dag-python/bin/python');
const python = process.env.PYTHON ?? (existsSync(made) ? made : '/usr/bin/python3');

/** Norms that no convolution stands before: DenseNet's first of a layer, of a transition, and its last. */
const unfolded: Record<string, number> = { densenet169: 6 + 12 + 32 + 32 + 3 + 1 };
const archs: Arch[] = [
  'efficientnet_b0',
  'efficientnet_b3',
  'efficientnet_b5',
  'densenet169',
  'se_resnext101_32x4d',
  'seresnext101_32x4d',
];

describe.each(archs)('%s as an ONNX file', (arch) => {
  const spec: ModelSpec = { name: arch, arch, input: 64 };
  const onnx = exportOnnx(spec, keepSignal(filledWeights(shapesOf(spec))), {});
  const file = path.join(folder, `${arch}.onnx`);
  writeFileSync(file, onnx);

  it('takes any batch, an image giving the same logits alone as among others', async () => {
    const predictor = await createPredictor(file, { threads: 1 });
    const x = Float32Array.from({ length: 3 * 3 * 64 * 64 }, (_, i) => Math.sin(i * i));
    const three = await predictor.predict(x, 3);
    const last = await predictor.predict(x.subarray(2 * 3 * 64 * 64), 1);
    await predictor.close();
    last.forEach((value, i) => {
      expect(Math.abs(value - three[12 + i]!)).toBeLessThan(1e-4);
    });
    expect(new Set(three.map((value) => Math.round(value * 1e6))).size).toBeGreaterThan(6);
  });

  it('has no batch norm left behind a convolution', () => {
    const operators = Buffer.from(onnx).toString('latin1').split('BatchNormalization').length - 1;
    expect(operators).toBe(unfolded[arch] ?? 0);
  });

  it("passes ONNX's checker, where it is installed", ({ skip }) => {
    const { status, stdout, stderr } = spawnSync(python, [oracle, file], { encoding: 'utf8' });
    if (status === 3 || status === null) skip(`${python} has no onnx`);
    expect(status, stderr).toBe(0);
    expect(stdout.trim()).toBe("['batch', 6]");
  });
});
