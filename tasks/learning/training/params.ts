// A model's entry in pipeline.yml, as training and prediction both read it.
import * as z from 'zod';
import type { ModelSpec } from './trainer.ts';

const positive = z.number().positive();
const fraction = z.number().min(0).lt(1);

/** Images in memory at once; the batch is trained in parts of so many, its gradient their mean. Batch norm sees the parts. */
export const microBatch = z.int().positive().nullish();

/** Ways of training that are off where nothing is said. */
const refinements = {
  /** Off: null, the whole batch at once. */
  micro_batch: microBatch,
  /** Decay, a step, of a moving average of the weights, which is what is validated and exported. Off: 0. */
  ema: fraction.optional(),
  /** The share s of label smoothing: labels are y·(1 - s) + s/2 in training. Off: 0. */
  label_smoothing: fraction.optional(),
};

/** What a model may say in place of the pipeline's parameters of the same name. */
const overrides = {
  epochs: z.int().positive().optional(),
  patience: z.int().positive().optional(),
  batch: z.int().positive().optional(),
  lr: positive.optional(),
  weight_decay: z.number().nonnegative().optional(),
  ...refinements,
};

export const modelParams = z.strictObject({
  name: z.string().min(1),
  arch: z.enum([
    'efficientnet_b0',
    'efficientnet_b3',
    'efficientnet_b5',
    'efficientnet',
    'densenet169',
    'se_resnext101_32x4d',
    'seresnext101_32x4d',
  ]),
  input: z.int().positive(),
  width: positive.optional(),
  depth: positive.optional(),
  dropout: fraction.optional(),
  dropConnect: fraction.optional(),
  /** The kind of PNG it is fed, and the scheme of its folds. */
  images: z.string(),
  cv_scheme: z.string(),
  /** A PyTorch checkpoint saved as safetensors to start from; its content comes as the task's input of the same name. */
  init: z.string().min(1).optional(),
  ...overrides,
});
export type ModelParams = z.infer<typeof modelParams>;

/** What the train task is given. */
export const trainingParams = z.strictObject({
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
export type TrainingParams = z.infer<typeof trainingParams>;

/** The network alone, without what is said about its training and data. */
export function networkOf(model: ModelParams): ModelSpec {
  const { images: _images, cv_scheme: _scheme, init: _init, ...rest } = model;
  return Object.fromEntries(Object.entries(rest).filter(([name]) => !(name in overrides))) as unknown as ModelSpec;
}

/** How many pictures a network is given at once to predict: what it was trained on at once fits into memory. */
export function picturesAtOnce(params: {
  model: ModelParams;
  batch: number;
  micro_batch?: number | null | undefined;
}): number {
  const { batch, micro_batch } = settingsOf(params);
  return micro_batch ?? batch;
}

/** The pipeline's parameters, and what the model says in their place. */
export function settingsOf<Params extends { model: ModelParams }>(params: Params): Params {
  const own = Object.entries(params.model).filter(([name]) => name in overrides);
  return { ...params, ...Object.fromEntries(own) };
}
