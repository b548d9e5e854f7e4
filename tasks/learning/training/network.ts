// One network trained on one fold, as pipeline.yml asks for it: batches in parts, weights to start from, and what is said where memory
// is too little.
import { InputError, type TaskContext } from '../../../engine/task.ts';
import { CLASS_WEIGHTS, CLASSES } from '../../classes.ts';
import { isOutOfMemory } from '../device/outOfMemory.ts';
import type { LabelledImages } from '../loader/labels.ts';
import { holdsHu, SUBDURAL_WINDOW } from '../loader/levels.ts';
import type { Loader } from '../loader/loader.ts';
import { initialise, type Tensors } from '../models/models.ts';
import { initialFromFile } from '../weights/weights.ts';
import { type Fit, fitNetwork } from './fit.ts';
import { tooLarge } from './memory.ts';
import { networkOf, settingsOf, type TrainingParams } from './params.ts';
import { createTrainer, type Trainer, type TrainerOptions } from './trainer.ts';

type Context = TaskContext<TrainingParams>;

export async function trainNetwork(
  context: Context,
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
function initialWeights(context: Context): Tensors | null {
  const [file] = context.inputs('init');
  if (file === undefined) return null;
  const { model, seed } = context.params;
  const spec = networkOf(model);
  const { weights, notes } = initialFromFile(file.path, spec, initialise(spec, seed));
  for (const note of notes) context.log(`init: ${note}`);
  return weights;
}

/** Images a step, and at once. InputError where the one is not a multiple of the other. */
function batchesOf(context: Context, images: number): { batch: number; microBatch: number } {
  const { batch: wanted, micro_batch } = settingsOf(context.params);
  const part = micro_batch ?? wanted;
  if (wanted % part !== 0) throw new InputError(`batch ${wanted} is no multiple of micro_batch ${part}`);
  const microBatch = Math.min(part, images);
  const batch = Math.min(wanted, images - (images % microBatch));
  if (batch < wanted) context.log(`batch ${wanted} is lowered to ${batch}, all there is in this training set`);
  return { batch, microBatch };
}

/** What a user of the file must know to feed it. */
export function metadataOf({ model }: TrainingParams): Record<string, string> {
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
