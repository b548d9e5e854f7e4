// Weights from elsewhere: what is taken, what is replaced, and what is said of the rest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createPredictor,
  exportOnnx,
  initialise,
  type ModelSpec,
  type Tensors,
} from '../../tasks/learning/training/trainer.ts';
import { writeSafetensors } from '../../tasks/learning/weights/safetensors.ts';
import { fitWeights, formOf, initialFromFile } from '../../tasks/learning/weights/weights.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

const small: ModelSpec = { name: 'small', arch: 'efficientnet', width: 0.25, depth: 0.2, input: 32 };
const here = initialise(small, 1);
const there = initialise(small, 2);
const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
const without = (tensors: Tensors, ...names: string[]): Tensors =>
  new Map([...tensors].filter(([name]) => !names.includes(name)));

describe('a PyTorch checkpoint', () => {
  it('is taken whole, from a file', () => {
    const file = path.join(folder, 'whole.safetensors');
    writeSafetensors(file, there);
    const { weights, notes } = initialFromFile(file, small, here);
    expect(weights).toEqual(there);
    expect(notes).toEqual([`${here.size} of ${here.size} tensors are taken from ${file}`]);
  });

  it('may have a module. prefix and counters of batches', () => {
    const wrapped = renamed(there, (name) => `module.${name}`);
    wrapped.set('module.features.0.1.num_batches_tracked', { shape: [], data: Float32Array.of(7) });
    const { weights, notes } = fitWeights(wrapped, small, here, 'w');
    expect(weights).toEqual(there);
    expect(notes).toHaveLength(1);
  });

  it('for other classes keeps everything but its classifier, and says so', () => {
    const { weights, notes } = fitWeights(initialise({ ...small, classes: 1000 }, 2), small, here, 'imagenet');
    expect(weights.get('features.0.0.weight')).toEqual(there.get('features.0.0.weight'));
    for (const name of ['classifier.1.weight', 'classifier.1.bias']) expect(weights.get(name)).toBe(here.get(name));
    expect(notes).toEqual([
      `${here.size - 2} of ${here.size} tensors are taken from imagenet`,
      'the classifier "classifier.1" is for 1000 classes: a new one for 6 classes starts at random',
    ]);
  });

  it('without a classifier gets a new one', () => {
    const { weights, notes } = fitWeights(without(there, 'classifier.1.weight', 'classifier.1.bias'), small, here, 'w');
    expect(weights.get('classifier.1.bias')).toBe(here.get('classifier.1.bias'));
    expect(notes[1]).toBe('the classifier "classifier.1" is not in the file: a new one for 6 classes starts at random');
  });

  it('never lends half a classifier', () => {
    const { weights, notes } = fitWeights(without(there, 'classifier.1.bias'), small, here, 'w');
    expect(weights.get('classifier.1.weight')).toBe(here.get('classifier.1.weight'));
    expect(notes).toHaveLength(2);
  });

  it('says which tensors the network does not have', () => {
    const { notes } = fitWeights(
      new Map(there).set('extra.weight', { shape: [1], data: Float32Array.of(1) }),
      small,
      here,
      'w',
    );
    expect(notes[1]).toBe('not used, the network has no such tensors: extra.weight');
  });

  it('of another network is refused with the names that do not match', () => {
    const broken = without(there, 'features.0.0.weight').set('features.0.1.bias', {
      shape: [3],
      data: new Float32Array(3),
    });
    broken.set('stem.weight', there.get('features.0.0.weight')!);
    expect(() => fitWeights(broken, small, here, 'w.safetensors')).toThrow(
      'w.safetensors: not weights of efficientnet: "features.0.0.weight" is missing, "features.0.1.bias" is [3], here [8]; it holds instead "stem.weight"; save the state dictionary of this network',
    );
  });

  it("of timm's other SE-ResNeXt is told which network it is", () => {
    const present: Tensors = new Map([['conv1.weight', { shape: [1], data: Float32Array.of(0) }]]);
    const spec: ModelSpec = { name: 'x', arch: 'se_resnext101_32x4d', input: 64 };
    expect(formOf(present, spec).arch).toBe('seresnext101_32x4d');
    expect(() => fitWeights(present, spec, new Map(), 'w')).toThrow('say arch: seresnext101_32x4d');
  });

  it("of torchvision's DenseNet may have the dots of its first files", () => {
    const spec: ModelSpec = { name: 'd', arch: 'densenet169', input: 32 };
    const initial = initialise(spec, 1);
    const old = renamed(initial, (name) => name.replace(/(denselayer\d+\.(?:norm|conv))([12])/, '$1.$2'));
    expect(old.has('features.denseblock1.denselayer1.norm.1.weight')).toBe(true);
    expect(fitWeights(old, spec, initial, 'w').notes).toHaveLength(1);
  });
});

describe('npm run parity', () => {
  const spec: ModelSpec = { name: 'b0', arch: 'efficientnet_b0', input: 32, classes: 3 };
  const weights = initialise(spec, 3);
  const x = Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i));
  const file = (name: string): string => path.join(folder, `${name}.safetensors`);
  const run = (model: string, expected: string) => {
    const files = ['--weights', file('W'), '--input', file('X'), '--expected', file(expected)];
    const { INIT_CWD: _, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(
      'npm',
      ['run', '--silent', 'parity', '--', '--model', model, ...files],
      {
        encoding: 'utf8',
        env,
      },
    );
    return { status, stdout, stderr };
  };

  it('ends with 0 for equal logits, 1 beyond 1e-3, 2 for wrong input', async () => {
    const predictor = await createPredictor(exportOnnx(spec, weights, {}), { threads: 1 });
    const y = await predictor.predict(x, 2);
    await predictor.close();
    writeSafetensors(file('W'), weights);
    writeSafetensors(file('X'), new Map([['x', { shape: [2, 3, 32, 32], data: x }]]));
    writeSafetensors(file('equal'), new Map([['y', { shape: [2, 3], data: y }]]));
    const off = y.map((value, i) => (i === 4 ? value + 0.25 : value));
    writeSafetensors(file('off'), new Map([['y', { shape: [2, 3], data: off }]]));
    writeSafetensors(file('shape'), new Map([['y', { shape: [1, 3], data: y.slice(0, 3) }]]));

    const equal = run('efficientnet_b0', 'equal');
    expect(equal.status, equal.stderr).toBe(0);
    expect(equal.stdout).toContain('efficientnet_b0, 2 images of 32 pixels, 3 classes\nlargest absolute difference ');
    const other = run('efficientnet_b0', 'off');
    expect(other.status).toBe(1);
    expect(other.stdout).toContain('largest absolute difference 2.50e-1, beyond 0.001');
    const shape = run('efficientnet_b0', 'shape');
    expect(shape.status).toBe(2);
    expect(shape.stderr).toContain('"y" has shape [1,3], expected [2,3]');
    expect(run('densenet169', 'equal')).toMatchObject({ status: 2, stdout: '' });
    const absent = run('efficientnet_b0', 'absent');
    expect(absent.status).toBe(2);
    expect(absent.stderr).toMatch(/absent\.safetensors does not exist\n$/);
    expect(run('resnet50', 'equal').stderr).toContain('the network "resnet50" does not exist');
  });
});
