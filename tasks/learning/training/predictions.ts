// Predicted probabilities for a list of images: the mean over networks and views, in one pass over the files.
import { InputError, type TaskContext } from '../../../engine/task.ts';
import { CLASSES } from '../../classes.ts';
import type { Predictions } from '../../tables/predictions.ts';
import { isOutOfMemory } from '../device/outOfMemory.ts';
import type { View } from '../loader/augment.ts';
import type { Load } from '../loader/loader.ts';

/** A network in inference mode; what `createPredictor` gives. */
export interface Network {
  predict(x: Float32Array, n: number): Promise<Float32Array>;
}

export interface PredictOptions {
  readonly load: Load;
  readonly networks: readonly Network[];
  readonly images: readonly string[];
  readonly views: readonly View[];
  /** How many pictures a network is given at once, all views counted. */
  readonly batch: number;
  readonly context: Pick<TaskContext<unknown>, 'signal' | 'progress'>;
}

/**
 * The mean over networks and views of the sigmoids, to nine significant digits, (N, 6) in the order of `images`. Each image is
 * decoded once. Throws an Error that names the image where a network's output is no number, `signal.reason` when aborted, an
 * InputError where memory is too little.
 */
export async function predict(options: PredictOptions): Promise<Predictions> {
  try {
    return await predictAll(options);
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    const { batch } = options;
    const advice = batch > 1 ? `set micro_batch below ${batch}, or ` : '';
    throw new InputError(`predicting ${batch} pictures at once does not fit into memory; ${advice}give the node more`, {
      cause: error,
    });
  }
}

async function predictAll(options: PredictOptions): Promise<Predictions> {
  const { load, networks, images, views, batch, context } = options;
  const values = new Float64Array(images.length * CLASSES.length);
  const perBatch = Math.max(1, Math.floor(batch / views.length));
  const requests = [...chunks(images, perBatch)].map((names) => ({ names, look: { views } }));
  let done = 0;
  for await (const { x, names } of load(requests)) {
    context.signal.throwIfAborted();
    const sums = values.subarray(done * CLASSES.length, (done + names.length) * CLASSES.length);
    for (const network of networks) {
      const logits = await network.predict(x, views.length * names.length);
      for (const [i, logit] of logits.entries()) sums[i % sums.length]! += sigmoid(logit);
    }
    for (const [i, sum] of sums.entries()) {
      if (Number.isNaN(sum))
        throw new Error(`image ${names[Math.floor(i / CLASSES.length)]}: a prediction is no number`);
      sums[i] = Number((sum / (networks.length * views.length)).toPrecision(9));
    }
    done += names.length;
    context.progress(done, images.length, 'images');
  }
  return { images, values };
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** Cuts a list into parts of `size`; the last may be shorter. */
export function* chunks<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let begin = 0; begin < list.length; begin += size) yield list.slice(begin, begin + size);
}
