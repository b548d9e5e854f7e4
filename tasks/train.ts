// Trains one network on one fold. The seed alone decides initial weights, order and augmentation: the same for every model and
// fold. Validation predictions come from the exported network, since that is what will be used.
import { writeFileSync } from 'node:fs';
import { defineTask, type TaskContext } from '../engine/task.ts';
import { openPredictor } from './learning/device/device.ts';
import { IDENTITY } from './learning/loader/augment.ts';
import { type LabelledImages, readFold, refuseLeak, refuseMissing } from './learning/loader/labels.ts';
import { createLoader, type Loader, loaderWorkers } from './learning/loader/loader.ts';
import { metadataOf, trainNetwork } from './learning/training/network.ts';
import { networkOf, picturesAtOnce, type TrainingParams, trainingParams } from './learning/training/params.ts';
import { predict } from './learning/training/predictions.ts';
import { exportOnnx } from './learning/training/trainer.ts';
import { writeSafetensors } from './learning/weights/safetensors.ts';
import { writePredictions } from './tables/predictions.ts';

export { loadImages } from './learning/loader/worker.ts';

export default defineTask<TrainingParams>({
  params: trainingParams,
  async run(context) {
    const train = readFold(context.input('train'));
    const valid = readFold(context.input('valid'));
    refuseLeak(train, valid);
    const folder = context.input('images');
    refuseMissing(folder, [...train.images, ...valid.images]);

    const { model } = context.params;
    const workers = loaderWorkers(context.cores);
    const loader = createLoader({ entry: context.bundle, workers, folder, kind: model.images, size: model.input });
    try {
      const fitted = await trainNetwork(context, loader, train, valid);
      writeSafetensors(context.output('weights'), fitted.weights, metadataOf(context.params));
      writeFileSync(context.output('history'), `${JSON.stringify(fitted.history, null, 1)}\n`);
      const onnx = exportOnnx(networkOf(model), fitted.weights, metadataOf(context.params));
      writeFileSync(context.output('onnx'), onnx);
      await predictValidation(context, loader, onnx, valid);
    } finally {
      await loader.close();
    }
  },
});

async function predictValidation(
  context: TaskContext<TrainingParams>,
  { load }: Loader,
  onnx: Uint8Array,
  { images }: LabelledImages,
): Promise<void> {
  const { params, cores, gpus } = context;
  const given = { threads: cores, gpus: params.device === 'cpu' ? [] : gpus };
  const { predictor: network } = await openPredictor(onnx, given);
  try {
    const batch = picturesAtOnce(params);
    const predictions = await predict({ load, networks: [network], images, views: [IDENTITY], batch, context });
    writePredictions(context.output('oof'), predictions);
  } finally {
    await network.close();
  }
}
