// A model's entry in pipeline.yml, as training and prediction both read it.
import * as z from 'zod';
import type { ModelSpec } from './trainer.ts';

const positive = z.number().positive();
const fraction = z.number().min(0).lt(1);

/** Ways of training that are off where nothing is said. */
export const refinements = {
  /** Images held at once; the batch is trained in parts of so many, its gradient their mean. Batch norm sees the parts. */
  micro_batch: z.int().positive().optional(),
  /** Decay of a moving average of the weights, which is what is validated and exported. */
  ema: z.number().gt(0).lt(1).optional(),
  /** The share s of label smoothing: labels are y·(1 - s) + s/2 in training. */
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
  /** A PyTorch checkpoint saved as safetensors to start from, the task's input `init`; [] is none. */
  init: z.union([z.string(), z.array(z.string()).max(1)]).optional(),
  ...overrides,
});
export type ModelParams = z.infer<typeof modelParams>;

/** The network alone, without what is said about its training and data. */
export function networkOf(model: ModelParams): ModelSpec {
  const { images: _images, cv_scheme: _scheme, init: _init, ...rest } = model;
  return Object.fromEntries(Object.entries(rest).filter(([name]) => !(name in overrides))) as unknown as ModelSpec;
}

/** What the model says itself; nothing of what it leaves to the pipeline. */
export function overridesOf(model: ModelParams): { [name in keyof typeof overrides]?: number } {
  return Object.fromEntries(Object.entries(model).filter(([name]) => name in overrides));
}
