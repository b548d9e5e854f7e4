// The prediction task, bundled and with worker threads: two networks of random weights stand for two folds.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InputError, type Task } from '../../engine/task.ts';
import { TTA_VIEWS } from '../../tasks/learning/loader/augment.ts';
import { load } from '../../tasks/learning/loader/load.ts';
import { sigmoid } from '../../tasks/learning/training/predictions.ts';
import { createPredictor, exportOnnx, initialise, type Tensors } from '../../tasks/learning/training/trainer.ts';
import { type Predictions, readPredictions, writePredictions } from '../../tasks/tables/predictions.ts';
import {
  bundleDriver,
  bundleTask,
  drawImages,
  type Job,
  makeScratch,
  removeScratch,
  runLimited,
  runTask,
  TINY_MODEL,
  TINY_NETWORK,
} from './train_rig.ts';

const MODEL = { ...TINY_MODEL, images: 'brain_subdural_bone' };

let scratch: string;
let predict: Task<unknown>;
let images: string[];
const at = (...parts: string[]): string => path.join(scratch, ...parts);

function table(names: readonly string[], value: number): Predictions {
  return { images: names, values: new Float64Array(names.length * 6).fill(value) };
}

/** Initial weights, and running variances such that the signal reaches the logits as in a trained network. */
function livelyWeights(seed: number): Tensors {
  const weights = initialise(TINY_NETWORK, seed);
  for (const [name, { data }] of weights) if (name.endsWith('running_var')) data.fill(0.1);
  return weights;
}

beforeAll(async () => {
  scratch = makeScratch();
  predict = await bundleTask(scratch, 'predict');
  images = (await drawImages(at('png'), 'ID', 11, 3)).map(({ image }) => image);
  writeFileSync(at('png', 'notes.txt'), 'not an image');
  for (const fold of [0, 1]) {
    writeFileSync(at(`${fold}.onnx`), exportOnnx(TINY_NETWORK, livelyWeights(fold), {}));
  }
  writePredictions(at('0.csv'), table(['c', 'a'], 0.25));
  writePredictions(at('1.csv'), table(['d', 'b'], 0.75));
});
afterAll(() => removeScratch(scratch));

function run(
  name: string,
  inputs: Record<string, string[]> = {},
  params: object = {},
  job: Partial<Job> = {},
): Promise<void> {
  const given = { onnx: [at('0.onnx'), at('1.onnx')], oof: [at('0.csv'), at('1.csv')], images: [at('png')], ...inputs };
  return runTask(predict, { ...job, params: { model: MODEL, batch: 16, ...params }, inputs: given, folder: at(name) });
}

/** Sigmoids averaged here, view by view and fold by fold. */
async function expected(): Promise<Float64Array> {
  const mean = new Float64Array(images.length * 6);
  for (const fold of [0, 1]) {
    const network = await createPredictor(at(`${fold}.onnx`), { threads: 1 });
    for (const view of TTA_VIEWS) {
      const job = { folder: at('png'), names: images, kind: MODEL.images, size: 32, look: { views: [view] } };
      const logits = await network.predict(new Float32Array((await load(job)) as ArrayBuffer), images.length);
      for (const [i, logit] of logits.entries()) mean[i]! += sigmoid(logit) / 8;
    }
    await network.close();
  }
  return mean;
}

test('test predictions are the mean over folds and the four views, an image a row, ascending', async () => {
  await run('plain');
  const found = readPredictions(at('plain', 'test'));
  expect(found.images).toEqual(images);
  const reference = await expected();
  for (const [i, value] of found.values.entries()) expect(value).toBeCloseTo(reference[i]!, 6);
  expect(Math.max(...found.values) - Math.min(...found.values)).toBeGreaterThan(0.01);
});

test('the batch size does not change the predictions', async () => {
  await run('small', {}, { batch: 3 });
  const [small, plain] = [readPredictions(at('small', 'test')), readPredictions(at('plain', 'test'))];
  for (const [i, value] of small.values.entries()) expect(value).toBeCloseTo(plain.values[i]!, 6);
});

test('the log says which device predicts', async () => {
  const said: string[] = [];
  await run('said', {}, {}, { said });
  expect(said).toContain('device: cpu (onnxruntime); no GPU was given to this node');
});

test('the folds’ own predictions are put together, ascending by image', async () => {
  const oof = readPredictions(at('plain', 'oof'));
  expect(oof.images).toEqual(['a', 'b', 'c', 'd']);
  expect([0, 6, 12, 18].map((i) => oof.values[i])).toEqual([0.25, 0.75, 0.25, 0.75]);
});

test('an image that two folds were validated on is wrong input', async () => {
  writePredictions(at('again.csv'), table(['a', 'e'], 0.5));
  const wrong = run('wrong', { oof: [at('0.csv'), at('1.csv'), at('again.csv')] });
  await expect(wrong).rejects.toThrow(new InputError('more than one fold was validated on 1 image: a'));
});

test('a folder without a PNG is wrong input', async () => {
  mkdirSync(at('nothing'));
  await expect(run('wrong', { images: [at('nothing')] })).rejects.toThrow(/nothing: no PNG in it to predict$/);
});

test('a network of another input size is refused by name', async () => {
  await expect(run('wrong', {}, { model: { ...MODEL, input: 64 } })).rejects.toThrow(
    /0.onnx: the network takes 32 px, model "tiny" says 64$/,
  );
});

const limitsMemory = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

test.runIf(limitsMemory)('pictures that do not fit into memory at once are told, with what to set', async () => {
  const large = { ...TINY_NETWORK, input: 768 };
  writeFileSync(at('large.onnx'), exportOnnx(large, livelyWeights(0), {}));
  await drawImages(at('many'), 'MANY', 12, 4);
  const driver = await bundleDriver(scratch, 'predict');
  const inputs = { onnx: [at('large.onnx')], oof: [at('0.csv')], images: [at('many')] };
  const params = { model: { ...MODEL, ...large }, batch: 48 };
  const { code, stderr } = await runLimited(driver, 1000, { params, inputs, folder: at('large') });
  expect(code).not.toBe(0);
  expect(stderr).toContain(
    'predicting 48 pictures at once does not fit into memory; set micro_batch below 48, or give the node more',
  );
});

test('a signal stops it with its reason', async () => {
  const abort = new AbortController();
  const onProgress = (): void => abort.abort(new Error('enough'));
  await expect(run('wrong', {}, { batch: 4 }, { signal: abort.signal, onProgress })).rejects.toThrow('enough');
});
