// Test-time augmentation on the validation images, bundled and with worker threads: two networks of random weights stand for
// two folds.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Task } from '../../engine/task.ts';
import { TTA_VIEWS } from '../../tasks/learning/loader/augment.ts';
import { load } from '../../tasks/learning/loader/load.ts';
import { sigmoid } from '../../tasks/learning/training/predictions.ts';
import { createPredictor, exportOnnx, initialise } from '../../tasks/learning/training/trainer.ts';
import { readPredictions, writePredictions } from '../../tasks/tables/predictions.ts';
import {
  bundleTask,
  drawImages,
  type Job,
  makeScratch,
  removeScratch,
  runTask,
  TINY_MODEL,
  TINY_NETWORK,
} from './train_rig.ts';

const FOLDS = [0, 1];

let scratch: string;
let tta: Task<unknown>;
let images: string[];
const at = (...parts: string[]): string => path.join(scratch, ...parts);
/** The images that a fold's network is validated on. */
const ofFold = (fold: number): string[] => images.filter((_, i) => i % FOLDS.length === fold);

beforeAll(async () => {
  scratch = makeScratch();
  tta = await bundleTask(scratch, 'tta');
  images = (await drawImages(at('png'), 'ID', 11, 3)).map(({ image }) => image);
  for (const fold of FOLDS) {
    const weights = initialise(TINY_NETWORK, fold);
    for (const [name, { data }] of weights) if (name.endsWith('running_var')) data.fill(0.1);
    writeFileSync(at(`${fold}.onnx`), exportOnnx(TINY_NETWORK, weights, {}));
    const values = new Float64Array(ofFold(fold).length * 6).fill(0.5);
    writePredictions(at(`${fold}.csv`), { images: ofFold(fold), values });
  }
});
afterAll(() => removeScratch(scratch));

function run(name: string, params: object = {}, job: Partial<Job> = {}): Promise<void> {
  const inputs = { onnx: [at('0.onnx'), at('1.onnx')], oof: [at('0.csv'), at('1.csv')], images: [at('png')] };
  return runTask(tta, { ...job, params: { model: TINY_MODEL, batch: 16, ...params }, inputs, folder: at(name) });
}

test('an image is predicted by the network that did not see it, as the mean over the four views', async () => {
  await run('plain');
  const found = readPredictions(at('plain', 'oof'));
  expect(found.images).toEqual(images);
  for (const fold of FOLDS) {
    const network = await createPredictor(at(`${fold}.onnx`), { threads: 1 });
    const names = ofFold(fold);
    const mean = new Float64Array(names.length * 6);
    for (const view of TTA_VIEWS) {
      const job = { folder: at('png'), names, kind: TINY_MODEL.images, size: 32, look: { views: [view] } };
      const logits = await network.predict(new Float32Array((await load(job)) as ArrayBuffer), names.length);
      for (const [i, logit] of logits.entries()) mean[i]! += sigmoid(logit) / TTA_VIEWS.length;
    }
    await network.close();
    for (const [i, value] of mean.entries()) {
      const row = images.indexOf(names[Math.floor(i / 6)]!);
      expect(found.values[6 * row + (i % 6)]).toBeCloseTo(value, 6);
    }
  }
});

test('pictures at once change no prediction, and a GPU that the node was given is used or said why not', async () => {
  const said: string[] = [];
  await run('gpu', { micro_batch: 4 }, { gpus: [0], said });
  const lines = said.filter((line) => line.startsWith('device: '));
  expect(lines).toEqual([
    expect.stringMatching(/^device: (cpu \(onnxruntime\); not cuda: .+; not webgpu: .+|.+ agree with the CPU.*)$/),
  ]);
  const [gpu, plain] = [readPredictions(at('gpu', 'oof')), readPredictions(at('plain', 'oof'))];
  const tolerance = lines[0]!.startsWith('device: cpu') ? 1e-6 : 0.02;
  for (const [i, value] of gpu.values.entries()) expect(Math.abs(value - plain.values[i]!)).toBeLessThan(tolerance);
});
