// Nothing leaks: labels that were shuffled among the images cannot be predicted out of fold, while the true ones can, by the
// same trainings of the same images. The long form is the whole pipeline:
// `npx dag run --set drawing.shuffle_labels=true`, whose report then says 0.5.
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Task } from '../../engine/task.ts';
import { CLASSES } from '../../tasks/classes.ts';
import { randomStream, shuffled } from '../../tasks/learning/loader/random.ts';
import { auc } from '../../tasks/metrics.ts';
import { readPredictions } from '../../tasks/tables/predictions.ts';
import {
  bundleTask,
  drawImages,
  makeScratch,
  type Row,
  removeScratch,
  runTask,
  TINY_MODEL,
  writeFold,
} from './train_rig.ts';

const IMAGES = 480;
const PARAMS = {
  model: TINY_MODEL,
  epochs: 6,
  patience: 6,
  batch: 16,
  lr: 0.003,
  weight_decay: 0.01,
  seed: 5,
  device: 'cpu',
};

let scratch: string;
let train: Task<unknown>;
let rows: Row[];
const at = (...parts: string[]): string => path.join(scratch, ...parts);

beforeAll(async () => {
  scratch = makeScratch();
  train = await bundleTask(scratch, 'train');
  rows = await drawImages(at('png'), 'ID', IMAGES, 1);
});
afterAll(() => removeScratch(scratch));

/** AUC of `any` over all images, each predicted by the network that did not see its patient. */
async function outOfFold(name: string, labelled: readonly Row[]): Promise<number> {
  const half = (fold: number): Row[] => labelled.filter((_, i) => (i >> 2) % 2 === fold);
  const scores: number[] = [];
  const labels: number[] = [];
  for (const fold of [0, 1]) {
    writeFold(at('train.csv'), half(1 - fold));
    writeFold(at('valid.csv'), half(fold));
    const inputs = { images: [at('png')], train: [at('train.csv')], valid: [at('valid.csv')] };
    await runTask(train, { params: PARAMS, inputs, folder: at(`${name}${fold}`) });
    const { values } = readPredictions(at(`${name}${fold}`, 'oof'));
    for (const [i, row] of half(fold).entries()) {
      scores.push(values[i * CLASSES.length]!);
      labels.push(row.labels[0]!);
    }
  }
  return auc(scores, labels);
}

test('true labels are learnt: an AUC above 0.9 out of fold', async () => {
  expect(await outOfFold('true', rows)).toBeGreaterThan(0.9);
});

test('shuffled labels stay at chance: an AUC within 0.5 ± 0.1 out of fold', async () => {
  // Of 480 images, half of them positive, an AUC by chance has a standard deviation of 0.026.
  const order = shuffled(IMAGES, randomStream(1, 2, 3));
  const area = await outOfFold(
    'shuffled',
    rows.map((row, i) => ({ ...row, labels: rows[order[i]!]!.labels })),
  );
  expect(Math.abs(area - 0.5)).toBeLessThan(0.1);
});
