// A model's predictions: the folds' out-of-fold tables put together, and for the test images the mean of the folds' networks over
// four views (identity, mirrored, rotated by -10 and +10 degrees), each image decoded once.
import { readdirSync } from 'node:fs';
import * as z from 'zod';
import { defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { openPredictors } from './learning/device/device.ts';
import { TTA_VIEWS } from './learning/loader/augment.ts';
import { createLoader, loaderWorkers } from './learning/loader/loader.ts';
import { microBatch, modelParams, picturesAtOnce } from './learning/training/params.ts';
import { predict } from './learning/training/predictions.ts';
import type { Predictor } from './learning/training/trainer.ts';
import { shownPath } from './tables/csv.ts';
import { some } from './tables/labels.ts';
import { type Predictions, readPredictions, writePredictions } from './tables/predictions.ts';

export { loadImages } from './learning/loader/worker.ts';

const params = z.strictObject({ model: modelParams, batch: z.int().positive(), micro_batch: microBatch });
type Params = z.infer<typeof params>;

export default defineTask<Params>({
  params,
  async run(context) {
    const oof = joinFolds(context.inputs('oof').map(({ path }) => readPredictions(path)));
    const images = imagesIn(context.input('images'));
    context.log(`${oof.images.length} out-of-fold predictions; ${images.length} test images`);
    const test = await predictTest(context, images);
    writePredictions(context.output('oof'), oof);
    writePredictions(context.output('test'), test);
  },
});

/** All folds' rows, ascending by image. InputError naming images that more than one fold predicts. */
function joinFolds(folds: readonly Predictions[]): Predictions {
  const rows = folds.flatMap(({ images, values }) =>
    images.map((image, i) => ({ image, values: values.subarray(i * CLASSES.length, (i + 1) * CLASSES.length) })),
  );
  rows.sort((a, b) => (a.image < b.image ? -1 : 1));
  const twice = rows.filter(({ image }, i) => image === rows[i + 1]?.image).map(({ image }) => image);
  if (twice.length > 0) throw new InputError(`more than one fold was validated on ${some(twice, 'image')}`);
  const values = new Float64Array(rows.length * CLASSES.length);
  for (const [i, row] of rows.entries()) values.set(row.values, i * CLASSES.length);
  return { images: rows.map(({ image }) => image), values };
}

/** The names of the PNGs in a folder, ascending by code unit. */
function imagesIn(folder: string): string[] {
  const images = readdirSync(folder)
    .filter((name) => name.endsWith('.png'))
    .map((name) => name.slice(0, -'.png'.length))
    .sort();
  if (images.length === 0) throw new InputError(`${shownPath(folder)}: no PNG in it to predict`);
  return images;
}

async function predictTest(context: TaskContext<Params>, images: readonly string[]): Promise<Predictions> {
  const { model } = context.params;
  const networks = await openNetworks(context);
  const loader = createLoader({
    entry: context.bundle,
    workers: loaderWorkers(context.cores),
    folder: context.input('images'),
    kind: model.images,
    size: model.input,
  });
  try {
    const batch = picturesAtOnce(context.params);
    return await predict({ load: loader.load, networks, images, views: TTA_VIEWS, batch, context });
  } finally {
    await loader.close();
    for (const network of networks) await network.close();
  }
}

async function openNetworks(context: TaskContext<Params>): Promise<Predictor[]> {
  const { params, cores, gpus } = context;
  const files = context.inputs('onnx').map(({ path }) => path);
  const networks = await openPredictors(files, { threads: cores, gpus }, context.log);
  const other = networks.findIndex(({ inputSize }) => inputSize !== params.model.input);
  if (other < 0) return networks;
  throw new InputError(
    `${shownPath(files[other]!)}: the network takes ${networks[other]!.inputSize} px, model "${params.model.name}" says ${params.model.input}`,
  );
}
