// Predicts the test images with networks, smoothing and ensemble weights that were fitted before, and trains nothing. The same
// steps in the same order as predict, smooth and ensemble, so that on the same images it gives the same numbers. Writes a sample
// submission for these images too, for a folder of files comes without one.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { readTrained, type TrainedModel } from './inference/trained.ts';
import { openPredictors } from './learning/device/device.ts';
import { TTA_VIEWS } from './learning/loader/augment.ts';
import { createLoader, loaderWorkers } from './learning/loader/loader.ts';
import { microBatch } from './learning/training/params.ts';
import { predict } from './learning/training/predictions.ts';
import type { Predictor } from './learning/training/trainer.ts';
import { applySmoothing } from './smoothing/fit.ts';
import { STACK_COLUMNS, type Stacks, stacksOf } from './smoothing/stacks.ts';
import { combine } from './statistics/combine.ts';
import { shownPath, writeCsv } from './tables/csv.ts';
import { readMetadataColumns } from './tables/metadata.ts';
import { type Predictions, writePredictions } from './tables/predictions.ts';

export { loadImages } from './learning/loader/worker.ts';

const params = z.object({ batch: z.int().positive(), micro_batch: microBatch });
type Context = TaskContext<z.infer<typeof params>>;

export default defineTask({
  params,
  async run(context) {
    const trained = readTrained(context.inputs('networks'), context.inputs('smoothing'), context.inputs('ensemble'));
    const table = await readMetadataColumns(context.input('table'), STACK_COLUMNS);
    const predictions: Predictions[] = [];
    let stacks: Stacks | undefined;
    for (const model of trained.models) {
      const raw = await predictWith(model, context);
      stacks ??= stacksOf(raw.images, table);
      predictions.push({ images: raw.images, values: applySmoothing(raw.values, stacks, model.smoothing) });
      context.log(`${model.name}: ${model.networks.length} networks`);
    }
    const images = predictions[0]!.images;
    const models = predictions.map(({ values }) => values);
    const values = combine(
      models,
      trained.models.map((model) => model.name),
      trained.ensemble,
    );
    writePredictions(context.output('predictions'), { images, values });
    writeCsv(context.output('sample'), ['ID', 'Label'], sampleRows(images));
    context.log(`${images.length} images, ${trained.models.length} models; nothing was trained`);
  },
});

async function predictWith(model: TrainedModel, context: Context): Promise<Predictions> {
  const { cores, gpus, params } = context;
  const networks = await openPredictors(model.networks, { threads: cores, gpus }, context.log);
  try {
    const { kind, size } = inputOf(model, networks);
    const folder = folderOf(kind, model, context.input('images'));
    const images = readdirSync(folder)
      .filter((name) => name.endsWith('.png'))
      .map((name) => name.slice(0, -'.png'.length))
      .sort();
    if (images.length === 0) throw new InputError(`${shownPath(folder)}: no PNG in it to predict`);
    const workers = loaderWorkers(cores);
    const loader = createLoader({ entry: context.bundle, workers, folder, kind, size });
    try {
      const batch = params.micro_batch ?? params.batch;
      return await predict({ load: loader.load, networks, images, views: TTA_VIEWS, batch, context });
    } finally {
      await loader.close();
    }
  } finally {
    for (const network of networks) await network.close();
  }
}

/** What the networks are to be fed, as they say themselves; InputError where they differ. */
function inputOf(
  { name, networks: files }: TrainedModel,
  networks: readonly Predictor[],
): { kind: string; size: number } {
  const [first] = networks;
  const kind = first!.metadata.images;
  if (kind === undefined) throw new InputError(`${shownPath(files[0]!)}: does not say which images it takes`);
  const other = networks.findIndex(
    ({ metadata, inputSize }) => metadata.images !== kind || inputSize !== first!.inputSize,
  );
  if (other >= 0) {
    throw new InputError(`model ${name}: ${shownPath(files[other]!)} takes other images than ${shownPath(files[0]!)}`);
  }
  return { kind, size: first!.inputSize };
}

function folderOf(kind: string, { name }: TrainedModel, images: string): string {
  const folder = join(images, kind);
  if (existsSync(folder)) return folder;
  throw new InputError(`model ${name} takes images of kind ${kind}, which image_kinds of pipeline.yml does not make`);
}

function* sampleRows(images: readonly string[]): Generator<[string, number]> {
  for (const image of images) for (const name of CLASSES) yield [`${image}_${name}`, 0.5];
}
