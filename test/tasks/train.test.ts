// The training task as the engine runs it, bundled and with worker threads, on a small network and drawn images.
import { fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError, type Task } from '../../engine/task.ts';
import { CLASSES } from '../../tasks/classes.ts';
import { IDENTITY } from '../../tasks/learning/loader/augment.ts';
import { load } from '../../tasks/learning/loader/load.ts';
import { sigmoid } from '../../tasks/learning/training/predictions.ts';
import { createPredictor, type Tensors } from '../../tasks/learning/training/trainer.ts';
import { readSafetensors, writeSafetensors } from '../../tasks/learning/weights/safetensors.ts';
import { readPredictions } from '../../tasks/tables/predictions.ts';
import {
  bundleDriver,
  bundleTask,
  drawImages,
  type Job,
  makeScratch,
  type Row,
  removeScratch,
  runLimited,
  runTask,
  TINY_MODEL,
  writeFold,
} from './train_rig.ts';

const PARAMS = {
  model: TINY_MODEL,
  epochs: 3,
  patience: 3,
  batch: 8,
  lr: 0.002,
  weight_decay: 0.01,
  seed: 5,
  device: 'cpu',
};

const OUTPUTS = ['weights', 'onnx', 'oof', 'history'];

let scratch: string;
let train: Task<unknown>;
let rows: Row[];
const at = (...parts: string[]): string => path.join(scratch, ...parts);

beforeAll(async () => {
  scratch = makeScratch();
  train = await bundleTask(scratch, 'train');
  rows = await drawImages(at('png'), 'ID', 44, 1);
  writeFold(at('train.csv'), rows.slice(0, 32));
  writeFold(at('valid.csv'), rows.slice(32));
  await run('whole');
});
afterAll(() => removeScratch(scratch));

function run(
  name: string,
  job: Partial<Job> & { params?: object; inputs?: Record<string, string[]> } = {},
): Promise<void> {
  const inputs = { ...inputFiles(), ...job.inputs };
  return runTask(train, { ...job, params: { ...PARAMS, ...job.params }, inputs, folder: at(name) });
}

function inputFiles(): Record<string, string[]> {
  return { images: [at('png')], train: [at('train.csv')], valid: [at('valid.csv')] };
}

const output = (run: string, name: string): Buffer => readFileSync(at(run, name));

test('the history has a line an epoch', () => {
  const history = JSON.parse(output('whole', 'history').toString());
  expect(history.map(({ epoch }: { epoch: number }) => epoch)).toEqual([1, 2, 3]);
  expect(Object.keys(history[0])).toEqual('epoch trainLoss validLoss lr auc'.split(' '));
  expect(Object.keys(history[0].auc)).toEqual([...CLASSES]);
  expect(history[2].trainLoss).toBeLessThan(history[0].trainLoss);
});

test('the weights carry the published names and say what they are of', () => {
  const { tensors, metadata } = readSafetensors(at('whole', 'weights'));
  expect(tensors.get('features.0.0.weight')!.shape.slice(1)).toEqual([3, 3, 3]);
  expect(tensors.get('classifier.1.bias')!.shape).toEqual([6]);
  expect(metadata).toMatchObject({ model: 'tiny', images: 'adjacent_hu', input: '32', labels: CLASSES.join(',') });
});

test('the out-of-fold predictions are those of the exported network, alone, on the validation images', async () => {
  const oof = readPredictions(at('whole', 'oof'));
  const names = rows.slice(32).map(({ image }) => image);
  expect(oof.images).toEqual(names);
  const job = { folder: at('png'), names, kind: 'adjacent_hu', size: 32, look: { views: [IDENTITY] } };
  const { inputNames, outputNames } = await InferenceSession.create(at('whole', 'onnx'));
  expect([inputNames, outputNames]).toEqual([['x'], ['logits']]);
  const network = await createPredictor(at('whole', 'onnx'), { threads: 1 });
  expect(network.metadata).toMatchObject({
    model: 'tiny',
    images: 'adjacent_hu',
    input: '32',
    labels: CLASSES.join(','),
  });
  expect(network.metadata.window).toBe('width 200, level 80 on the three channels');
  const logits = await network.predict(new Float32Array((await load(job)) as ArrayBuffer), names.length);
  await network.close();
  for (const [i, logit] of logits.entries()) expect(oof.values[i]).toBeCloseTo(sigmoid(logit), 5);
});

test('stopped by a signal within an epoch, it throws the reason, and a rerun ends with byte-identical results', async () => {
  for (const stop of [16, 56]) {
    const abort = new AbortController();
    const onProgress = (done: number): void => void (done === stop && abort.abort(new Error('enough')));
    await expect(run('stopped', { signal: abort.signal, onProgress })).rejects.toThrow('enough');
  }
  expect(existsSync(at('stopped', 'weights'))).toBe(false);
  const said: string[] = [];
  await run('stopped', { said });
  expect(said).toContain('continuing in epoch 2 after 3 batches, from a checkpoint');
  for (const name of OUTPUTS) expect(output('stopped', name).equals(output('whole', name))).toBe(true);
});

test('killed with SIGKILL in every epoch, a rerun ends with byte-identical results', async () => {
  const driver = await bundleDriver(scratch, 'train');
  for (const moment of [8, 40, 88]) expect(await runAndKill(driver, 'killed', moment)).toBe('SIGKILL');
  const said: string[] = [];
  await run('killed', { said });
  expect(said).toContain('continuing in epoch 3 after 0 batches, from a checkpoint');
  for (const name of OUTPUTS) expect(output('killed', name).equals(output('whole', name))).toBe(true);
});

const limitsMemory = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

test.runIf(limitsMemory)(
  'a batch that does not fit into memory is told with the one that does, which then trains',
  async () => {
    const driver = await bundleDriver(scratch, 'train');
    const many = await drawImages(at('many'), 'MANY', 72, 2);
    writeFold(at('many_train.csv'), many.slice(0, 64));
    writeFold(at('many_valid.csv'), many.slice(64));
    const inputs = { images: [at('many')], train: [at('many_train.csv')], valid: [at('many_valid.csv')] };
    const params = { ...PARAMS, batch: 64, epochs: 1 };
    const trainWith = (model: object) =>
      runLimited(driver, 1600, {
        params: { ...params, model: { ...TINY_MODEL, input: 384, ...model } },
        inputs,
        folder: at('large'),
      });
    const { code, stderr } = await trainWith({});
    expect(code).not.toBe(0);
    const advice = /: 64 images of 384 px at once do not fit into memory, (\d+) do; set micro_batch: \1 for it/.exec(
      stderr,
    );
    expect(advice, stderr).not.toBeNull();
    expect((await trainWith({ micro_batch: Number(advice![1]) })).code).toBe(0);
  },
);

/** Trains in a process that is killed when it has trained on `moment` images; gives the signal that ended it. */
function runAndKill(driver: string, name: string, moment: number): Promise<NodeJS.Signals | null> {
  const child = fork(driver, { stdio: 'inherit' });
  child.on('message', (done) => done === moment && child.kill('SIGKILL'));
  child.send({ params: PARAMS, inputs: inputFiles(), folder: at(name) });
  return new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
}

test('a model’s own epochs, batch and learning rate come before the pipeline’s', async () => {
  await run('own', { params: { model: { ...TINY_MODEL, epochs: 1, batch: 16, lr: 0.0005 } } });
  const history = JSON.parse(output('own', 'history').toString());
  expect(history.map(({ lr }: { lr: number }) => lr)).toEqual([0.0005]);
});

test('a batch in parts, averaged weights and smoothed labels are asked for by the model or by the pipeline', async () => {
  const said: string[] = [];
  const asked = { batch: 16, micro_batch: 4, ema: 0.9, label_smoothing: 0.05, epochs: 1 };
  await run('refined', { said, params: { model: { ...TINY_MODEL, ...asked } } });
  expect(said).toContain('32 training images, 12 for validation, batch 16 in parts of 4');
  await run('pipeline', { params: asked });
  for (const name of OUTPUTS) expect(output('pipeline', name).equals(output('refined', name))).toBe(true);
  await expect(run('refined', { params: { micro_batch: 3 } })).rejects.toThrow(
    new InputError('batch 8 is no multiple of micro_batch 3'),
  );
});

test.each([{ micro_batch: 4 }, { ema: 0.9 }, { label_smoothing: 0.05 }])('%j changes what is learnt', async (asked) => {
  const folder = Object.keys(asked)[0]!;
  await run(folder, { params: asked });
  expect(output(folder, 'weights').equals(output('whole', 'weights'))).toBe(false);
});

test('what is off in pipeline.yml is as if it were not there', async () => {
  await run('off', { params: { micro_batch: null, ema: 0, label_smoothing: 0 } });
  for (const name of OUTPUTS) expect(output('off', name).equals(output('whole', name))).toBe(true);
});

describe('init', () => {
  const startFrom = async (name: string, tensors: Tensors | string, said: string[] = []): Promise<Tensors> => {
    const file = at(`${name}.safetensors`);
    if (typeof tensors === 'string') writeFileSync(file, tensors, 'latin1');
    else writeSafetensors(file, tensors);
    // Steps too small to see: the parameters that come out are those that went in.
    const params = { epochs: 1, lr: 1e-30, weight_decay: 0 };
    await run(name, { said, params, inputs: { init: [file] } });
    return readSafetensors(at(name, 'weights')).tensors;
  };
  const named = (tensors: Tensors, prefix: string): Tensors =>
    new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor]));

  test('starts from another training’s weights, with the prefixes that a wrapper gave them', async () => {
    const { tensors } = readSafetensors(at('whole', 'weights'));
    const said: string[] = [];
    const found = await startFrom('again', named(tensors, 'module.'), said);
    expect(found.get('classifier.1.weight')!.data).toEqual(tensors.get('classifier.1.weight')!.data);
    expect(found.get('features.0.0.weight')!.data).toEqual(tensors.get('features.0.0.weight')!.data);
    expect(said).toContainEqual(
      expect.stringMatching(/^init: (\d+) of \1 tensors are taken from .*again\.safetensors$/),
    );
  });

  test('a classifier of other classes is drawn anew, and what is not used is named', async () => {
    const tensors = new Map(readSafetensors(at('whole', 'weights')).tensors);
    tensors.set('classifier.1.weight', { shape: [1000, 1], data: new Float32Array(1000) });
    tensors.set('fc.bias', { shape: [1], data: new Float32Array(1) });
    const said: string[] = [];
    const found = await startFrom('imagenet', tensors, said);
    expect(found.get('classifier.1.weight')!.shape[0]).toBe(6);
    expect(found.get('features.0.0.weight')!.data).toEqual(tensors.get('features.0.0.weight')!.data);
    expect(said).toContain(
      'init: the classifier "classifier.1" is for 1000 classes: a new one for 6 classes starts at random',
    );
    expect(said).toContain('init: not used, the network has no such tensors: fc.bias');
  });

  test('weights of another network, and what torch.save writes, are refused with what to do', async () => {
    const tensors = new Map(readSafetensors(at('whole', 'weights')).tensors);
    tensors.delete('features.0.0.weight');
    await expect(startFrom('other', tensors)).rejects.toThrow(
      /other\.safetensors: not weights of efficientnet: "features\.0\.0\.weight" is missing; save the state dictionary/,
    );
    await expect(startFrom('pickled', 'PK\x03\x04 and so on')).rejects.toThrow(
      /pickled\.safetensors: .* it is what torch\.save writes; save the state dictionary with safetensors\.torch\.save_file$/,
    );
  });
});

test('a loss that is not a number stops it with epoch, batch and images', async () => {
  const failure = run('diverged', { params: { lr: 1e30 } });
  await expect(failure).rejects.toThrow(
    /^the loss is not a number in epoch 1, batch [2-4] \(8 images: ID_\d{3}, .*\); lower lr, or look at these images$/,
  );
});

test('fewer images than a batch lower the batch, and say so', async () => {
  writeFold(at('few.csv'), rows.slice(0, 6));
  const said: string[] = [];
  await run('few', { said, inputs: { train: [at('few.csv')] }, params: { epochs: 1 } });
  expect(said).toContain('batch 8 is lowered to 6, all there is in this training set');
});

test('wrong input is one clear line before anything is computed', async () => {
  mkdirSync(at('wrong'), { recursive: true });
  const inputs = { valid: [at('wrong.csv')] };
  writeFold(at('wrong.csv'), rows.slice(30));
  await expect(run('wrong', { inputs })).rejects.toThrow(
    new InputError('training and validation set share 1 patient: ID_patient_7'),
  );
  writeFold(at('wrong.csv'), []);
  await expect(run('wrong', { inputs })).rejects.toThrow(
    /wrong.csv: no images in this fold; lower n_folds, or add data/,
  );
  writeFold(at('wrong.csv'), [...rows.slice(32), { ...rows[43]!, image: 'ID_gone' }]);
  await expect(run('wrong', { inputs })).rejects.toThrow(/png lacks the PNG of 1 image: ID_gone$/);
  await expect(run('wrong', { params: { batch: 0 } })).rejects.toThrow(/batch/);
  await expect(run('wrong', { params: { model: { ...TINY_MODEL, widht: 1 } } })).rejects.toThrow(/widht/);
  rmSync(at('wrong.csv'));
  expect(existsSync(at('wrong', 'weights'))).toBe(false);
});
