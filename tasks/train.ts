// Trains one network on one fold. The seed alone decides initial weights, order and augmentation: the same for every model and
// fold. Validation predictions come from the exported network, since that is what will be used.
import { writeFileSync } from 'node:fs';
import * as z from 'zod';
import { defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { CLASS_WEIGHTS, CLASSES } from './classes.ts';
import { openPredictor } from './learning/device/device.ts';
import { isOutOfMemory } from './learning/device/outOfMemory.ts';
import { IDENTITY } from './learning/loader/augment.ts';
import { type LabelledImages, readFold, refuseLeak, refuseMissing } from './learning/loader/labels.ts';
import { holdsHu, SUBDURAL_WINDOW } from './learning/loader/levels.ts';
import { createLoader, type Loader, loaderWorkers } from './learning/loader/loader.ts';
import { type Fit, fitNetwork } from './learning/training/fit.ts';
import { tooLarge } from './learning/training/memory.ts';
import { modelParams, networkOf, picturesAtOnce, refinements, settingsOf } from './learning/training/params.ts';
import { predict } from './learning/training/predictions.ts';
import {
  createTrainer,
  exportOnnx,
  initialise,
  type Tensors,
  type Trainer,
  type TrainerOptions,
} from './learning/training/trainer.ts';
import { writeSafetensors } from './learning/weights/safetensors.ts';
import { initialFromFile } from './learning/weights/weights.ts';
import { writePredictions } from './tables/predictions.ts';

export { loadImages } from './learning/loader/worker.ts';

const params = z.strictObject({
  model: modelParams,
  epochs: z.int().positive(),
  patience: z.int().positive(),
  batch: z.int().positive(),
  lr: z.number().positive(),
  weight_decay: z.number().nonnegative(),
  seed: z.int().nonnegative(),
  device: z.string(),
  ...refinements,
});
type Params = z.infer<typeof params>;

export default defineTask<Params>({
  params,
  async run(context) {
    const train = readFold(context.input('train'));
    const valid = readFold(context.input('valid'));
    refuseLeak(train, valid);
    const folder = context.input('images');
    refuseMissing(folder, [...train.images, ...valid.images]);

    const { model } = context.params;
    const workers = loaderWorkers(context.cores);
    const loader = createLoader({ entry: import.meta.url, workers, folder, kind: model.images, size: model.input });
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

async function trainNetwork(
  context: TaskContext<Params>,
  { load }: Loader,
  train: LabelledImages,
  valid: LabelledImages,
): Promise<Fit> {
  const { model, seed, device } = context.params;
  const settings = settingsOf(context.params);
  const { epochs, patience, lr, weight_decay: weightDecay, ema, label_smoothing: labelSmoothing = 0 } = settings;
  const { batch, microBatch } = batchesOf(context, train.images.length);
  const options: TrainerOptions = {
    model: networkOf(model),
    batch: microBatch,
    parts: batch / microBatch,
    threads: context.cores,
    seed,
    weightDecay,
    classWeights: CLASS_WEIGHTS,
    device,
    gpus: context.gpus,
    ...(ema ? { ema } : {}),
  };
  let trainer: Trainer | undefined;
  try {
    trainer = await createTrainer(options);
    context.log(`device: ${trainer.device}`);
    const initial = initialWeights(context);
    if (initial !== null) await trainer.load({ weights: initial });
    const parts = batch === microBatch ? '' : ` in parts of ${microBatch}`;
    context.log(
      `${train.images.length} training images, ${valid.images.length} for validation, batch ${batch}${parts}`,
    );
    const loop = {
      trainer,
      load,
      train,
      valid,
      batch,
      microBatch,
      labelSmoothing,
      epochs,
      patience,
      lr,
      seed,
      context,
    };
    return await fitNetwork(loop);
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    await trainer?.close();
    trainer = undefined;
    throw await tooLarge(options, error);
  } finally {
    await trainer?.close();
  }
}

/** What the model's `init` holds, an input of the node so that its bytes are in the key; null: it starts at random. */
function initialWeights(context: TaskContext<Params>): Tensors | null {
  const [file] = context.inputs('init');
  if (file === undefined) return null;
  const { model, seed } = context.params;
  const spec = networkOf(model);
  const { weights, notes } = initialFromFile(file.path, spec, initialise(spec, seed));
  for (const note of notes) context.log(`init: ${note}`);
  return weights;
}

/** Images a step, and at once. InputError where the one is not a multiple of the other. */
function batchesOf(context: TaskContext<Params>, images: number): { batch: number; microBatch: number } {
  const { batch: wanted, micro_batch } = settingsOf(context.params);
  const part = micro_batch ?? wanted;
  if (wanted % part !== 0) throw new InputError(`batch ${wanted} is no multiple of micro_batch ${part}`);
  const microBatch = Math.min(part, images);
  const batch = Math.min(wanted, images - (images % microBatch));
  if (batch < wanted) context.log(`batch ${wanted} is lowered to ${batch}, all there is in this training set`);
  return { batch, microBatch };
}

async function predictValidation(
  context: TaskContext<Params>,
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

/** What a user of the file must know to feed it. */
function metadataOf({ model }: Params): Record<string, string> {
  const { width, level } = SUBDURAL_WINDOW;
  return {
    model: model.name,
    arch: model.arch,
    labels: CLASSES.join(','),
    images: model.images,
    window: holdsHu(model.images)
      ? `width ${width}, level ${level} on the three channels`
      : 'in the images; value / 255',
    input: String(model.input),
  };
}
