// A model's predictions: the folds' out-of-fold tables put together, and for the test images the mean of the folds' networks over
// four views (identity, mirrored, rotated by -10 and +10 degrees), each image decoded once.
import { readdirSync } from 'node:fs';
import * as z from 'zod';
import { type Artifact, defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { TTA_VIEWS } from './learning/augment.ts';
import { openPredictor } from './learning/device.ts';
import { createLoader, loaderWorkers } from './learning/loader/loader.ts';
import { modelParams } from './learning/params.ts';
import { predict } from './learning/predictions.ts';
import type { Predictor } from './learning/trainer.ts';
import { shownPath } from './tables/csv.ts';
import { some } from './tables/labels.ts';
import { type Predictions, readPredictions, writePredictions } from './tables/predictions.ts';

export { loadImages } from './learning/loader/worker.ts';

const params = z.strictObject({ model: modelParams, batch: z.int().positive() });
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
  const { model, batch } = context.params;
  const networks = await openNetworks(context.inputs('onnx'), context);
  const loader = createLoader({
    entry: import.meta.url,
    workers: loaderWorkers(context.cores),
    folder: context.input('images'),
    kind: model.images,
    size: model.input,
  });
  try {
    const pictures = model.micro_batch ?? model.batch ?? batch;
    return await predict({ load: loader.load, networks, images, views: TTA_VIEWS, batch: pictures, context });
  } finally {
    await loader.close();
    for (const network of networks) await network.close();
  }
}

async function openNetworks(files: readonly Artifact[], context: TaskContext<Params>): Promise<Predictor[]> {
  const { params, cores, gpus } = context;
  const networks: Predictor[] = [];
  for (const { path } of files) {
    const { predictor: network, line } = await openPredictor(path, { threads: cores, gpus });
    if (networks.length === 0) context.log(`device: ${line}`);
    networks.push(network);
    if (network.inputSize === params.model.input) continue;
    throw new InputError(
      `${shownPath(path)}: the network takes ${network.inputSize} px, model "${params.model.name}" says ${params.model.input}`,
    );
  }
  return networks;
}
