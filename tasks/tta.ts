// Out-of-fold predictions with test-time augmentation: each fold's network on its validation images, as the test images are
// predicted. Nothing is fitted on them: they tell the report what the four views are worth.
import * as z from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { openPredictor } from './learning/device/device.ts';
import { TTA_VIEWS } from './learning/loader/augment.ts';
import { createLoader, loaderWorkers } from './learning/loader/loader.ts';
import { microBatch, modelParams, picturesAtOnce } from './learning/training/params.ts';
import { predict } from './learning/training/predictions.ts';
import { type Predictions, readPredictions, writePredictions } from './tables/predictions.ts';

export { loadImages } from './learning/loader/worker.ts';

export default defineTask({
  params: z.strictObject({ model: modelParams, batch: z.int().positive(), micro_batch: microBatch }),
  async run(context) {
    const { params, cores, gpus } = context;
    const { model } = params;
    const [networks, folds] = [context.inputs('onnx'), context.inputs('oof')];
    if (networks.length !== folds.length) throw new InputError(`${networks.length} networks, ${folds.length} folds`);
    const loader = createLoader({
      entry: context.bundle,
      workers: loaderWorkers(cores),
      folder: context.input('images'),
      kind: model.images,
      size: model.input,
    });
    const parts: Predictions[] = [];
    try {
      for (const [fold, { path }] of networks.entries()) {
        const { images } = readPredictions(folds[fold]!.path);
        const { predictor: network, line } = await openPredictor(path, { threads: cores, gpus });
        try {
          if (fold === 0) context.log(`device: ${line}`);
          const options = { load: loader.load, networks: [network], images, views: TTA_VIEWS, context };
          parts.push(await predict({ ...options, batch: picturesAtOnce(params) }));
        } finally {
          await network.close();
        }
      }
    } finally {
      await loader.close();
    }
    writePredictions(context.output('oof'), joined(parts));
  },
});

function joined(parts: readonly Predictions[]): Predictions {
  const values = new Float64Array(parts.reduce((total, part) => total + part.values.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at * CLASSES.length);
    at += part.images.length;
  }
  return { images: parts.flatMap((part) => part.images), values };
}
