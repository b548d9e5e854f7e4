// The training loop: epochs of steps in a shuffled order, validation, the schedule, early stopping, the best epoch's weights.
// How fast it went is told apart from what it learnt: that is the same in every run, and lies in history.json; pace does not.
// After every epoch, and when it is told to stop, it writes a checkpoint; what continues from one ends with the same weights,
// bit for bit, because order, augmentation and learning rate depend on (seed, epoch, image) and not on the past.
import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InputError, type TaskContext } from '../../../engine/task.ts';
import { CLASSES, type ClassName } from '../../classes.ts';
import { auc, weightedLogLoss } from '../../metrics.ts';
import { some } from '../../tables/labels.ts';
import { IDENTITY } from '../loader/augment.ts';
import type { LabelledImages } from '../loader/labels.ts';
import type { Load, Request } from '../loader/loader.ts';
import { ORDER, randomStream, shuffled } from '../loader/random.ts';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { chunks, sigmoid } from './predictions.ts';
import type { Tensors, Trainer } from './trainer.ts';

export interface FitOptions {
  readonly trainer: Trainer;
  readonly load: Load;
  readonly train: LabelledImages;
  readonly valid: LabelledImages;
  /**
   * Images a step of the optimiser; at most the size of the training set. A last batch that would be short is left out (of
   * another shuffle each epoch).
   */
  readonly batch: number;
  /** Images that the trainer takes at once, a part of the batch; the batch where absent. */
  readonly microBatch?: number;
  /** The share s of label smoothing: trained on y·(1 - s) + s/2, validated on y; 0 where absent. */
  readonly labelSmoothing?: number;
  readonly epochs: number;
  /** Stop after this many epochs in a row without a lower validation loss. */
  readonly patience: number;
  readonly lr: number;
  readonly seed: number;
  /** A checkpoint is also written within an epoch, this often. */
  readonly checkpointEveryMs?: number;
  readonly context: Pick<TaskContext<unknown>, 'scratch' | 'signal' | 'log' | 'warn' | 'progress' | 'metric'>;
}

/** A line of history.json. Losses are those of the metric: weighted over classes, mean over images. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the epoch's steps, with augmentation and the weights as they changed. */
  readonly trainLoss: number;
  readonly validLoss: number;
  readonly lr: number;
  /** On the validation set; null where it holds one class only. */
  readonly auc: Readonly<Record<ClassName, number | null>>;
}

/** What differs from run to run: in the log, as metrics, and in history.jsonl while the training runs. */
export interface Pace {
  /** Training images a second, waiting included. */
  readonly imagesPerSecond: number;
  /** The share of the training time that steps waited for images. */
  readonly waitShare: number;
  /** Training and validation. */
  readonly seconds: number;
  /** Largest resident memory of the process so far. */
  readonly peakMemoryMiB: number;
}

/** A line of history.jsonl. */
export type EpochLine = Epoch & Pace;

export interface Fit {
  readonly weights: Tensors;
  readonly history: readonly Epoch[];
  readonly bestEpoch: number;
}

/** Where the loop stands; all of it goes into a checkpoint. */
interface Progress {
  /** The epoch in work, from 0, and how many of its batches are done. */
  epoch: number;
  batches: number;
  lossSum: number;
  seconds: number;
  waitSeconds: number;
  history: EpochLine[];
  best: { epoch: number; loss: number } | null;
}

/** A step's learning rate by epoch (from 0): PyTorch's CosineAnnealingLR over all epochs, down to 0. */
export function cosine(lr: number, epoch: number, epochs: number): number {
  return (lr * (1 + Math.cos((Math.PI * epoch) / epochs))) / 2;
}

/**
 * Trains until the last epoch or until patience runs out, from the checkpoint in `context.scratch` where there is one.
 * Throws an InputError that names epoch, batch and images when the loss is no longer a number; throws `context.signal.reason`, after
 * writing a checkpoint, when aborted.
 */
export async function fitNetwork(options: FitOptions): Promise<Fit> {
  const { trainer, epochs, patience, context } = options;
  const progress: Progress = { ...freshEpoch(0), history: [], best: null };
  let best: Tensors | null = null;
  const found = loadCheckpoint<Progress>(context.scratch, context.warn);
  if (found) {
    Object.assign(progress, found.progress);
    best = found.best;
    await trainer.load(found.trainer);
    context.log(`continuing in epoch ${progress.epoch + 1} after ${progress.batches} batches, from a checkpoint`);
  }
  const lines = path.join(context.scratch, 'history.jsonl');
  writeFileSync(lines, progress.history.map(lineOf).join(''));
  context.log(`a line an epoch while it runs: ${lines}`);
  const save = async (): Promise<void> =>
    saveCheckpoint(context.scratch, { trainer: await trainer.state(), best, progress });

  while (progress.epoch < epochs && !ranOut(progress, patience)) {
    await trainEpoch(options, progress, save);
    const record = await validate(options, progress, save);
    const state = await trainer.state();
    if (progress.best === null || record.validLoss < progress.best.loss) {
      progress.best = { epoch: record.epoch, loss: record.validLoss };
      best = state.average ?? state.weights;
    }
    progress.history.push(record);
    Object.assign(progress, freshEpoch(progress.epoch + 1));
    saveCheckpoint(context.scratch, { trainer: state, best, progress });
    appendFileSync(lines, lineOf(record));
    report(options, record);
  }
  const { epoch: bestEpoch, loss } = progress.best!;
  const why = progress.epoch < epochs ? `, stopped after ${patience} epochs without a better one` : '';
  context.log(`best epoch ${bestEpoch}, validation loss ${loss.toFixed(5)}${why}`);
  return { weights: best!, history: progress.history.map(withoutPace), bestEpoch };
}

const lineOf = (line: EpochLine): string => `${JSON.stringify(line)}\n`;

function withoutPace({ epoch, trainLoss, validLoss, lr, auc }: EpochLine): Epoch {
  return { epoch, trainLoss, validLoss, lr, auc };
}

function freshEpoch(epoch: number): Omit<Progress, 'history' | 'best'> {
  return { epoch, batches: 0, lossSum: 0, seconds: 0, waitSeconds: 0 };
}

function ranOut({ epoch, best }: Progress, patience: number): boolean {
  return best !== null && epoch - best.epoch >= patience;
}

const CHECKPOINT_EVERY_MS = 600_000;

async function trainEpoch(options: FitOptions, progress: Progress, save: () => Promise<void>): Promise<void> {
  const { trainer, train, batch, epochs, lr, context } = options;
  const perEpoch = Math.floor(train.images.length / batch);
  const parts = batch / microBatchOf(options);
  const batches = remainingBatches(options, progress);
  const rate = cosine(lr, progress.epoch, epochs);
  let since = performance.now();
  let saved = since;
  let at = 0;
  for await (const { x, names, waitSeconds } of options.load(batches.map(({ request }) => request))) {
    const { loss } = await trainer.step(x, batches[at++]!.labels, { lr: rate });
    if (!Number.isFinite(loss)) throw diverged(progress, names);
    const now = performance.now();
    progress.lossSum += loss / parts;
    progress.seconds += (now - since) / 1000;
    progress.waitSeconds += waitSeconds;
    since = now;
    if (at % parts !== 0) continue; // Nothing is saved between the parts of a step.
    progress.batches++;
    context.progress((progress.epoch * perEpoch + progress.batches) * batch, epochs * perEpoch * batch, 'images');
    if (context.signal.aborted) await stop(options, save);
    if (now - saved < (options.checkpointEveryMs ?? CHECKPOINT_EVERY_MS)) continue;
    await save();
    saved = performance.now();
    since = saved; // The time it takes to save is not training time.
  }
}

interface TrainingBatch {
  readonly request: Request;
  /** (micro-batch, 6) */
  readonly labels: Float32Array;
}

const microBatchOf = ({ batch, microBatch }: FitOptions): number => microBatch ?? batch;

/** What of the epoch is still to do, as the trainer takes it: full batches, cut into their parts. */
function remainingBatches(options: FitOptions, { epoch, batches }: Progress): TrainingBatch[] {
  const { train, batch, seed } = options;
  const size = microBatchOf(options);
  const order = shuffled(train.images.length, randomStream(ORDER, seed, epoch));
  const end = order.length - (order.length % batch);
  const remaining: TrainingBatch[] = [];
  for (let begin = batches * batch; begin < end; begin += size) {
    const indices = Array.from(order.subarray(begin, begin + size));
    const request = { names: indices.map((index) => train.images[index]!), look: { seed, epoch, indices } };
    remaining.push({ request, labels: labelsOf(train, indices, options.labelSmoothing ?? 0) });
  }
  return remaining;
}

function labelsOf({ labels }: LabelledImages, indices: readonly number[], smoothing: number): Float32Array {
  const y = new Float32Array(indices.length * CLASSES.length);
  for (const [row, index] of indices.entries()) {
    y.set(labels.subarray(index * CLASSES.length, (index + 1) * CLASSES.length), row * CLASSES.length);
  }
  return smoothing === 0 ? y : y.map((label) => label * (1 - smoothing) + smoothing / 2);
}

async function validate(options: FitOptions, progress: Progress, save: () => Promise<void>): Promise<EpochLine> {
  const { trainer, valid, batch, lr, epochs, context } = options;
  const since = performance.now();
  const requests = [...chunks(valid.images, microBatchOf(options))].map((names) => ({
    names,
    look: { views: [IDENTITY] },
  }));
  const probabilities = new Float64Array(valid.labels.length);
  let at = 0;
  for await (const { x, names } of options.load(requests)) {
    for (const logit of await trainer.predict(x, names.length)) probabilities[at++] = sigmoid(logit);
    if (context.signal.aborted) await stop(options, save);
  }
  const validLoss = weightedLogLoss(probabilities, valid.labels);
  if (!Number.isFinite(validLoss)) throw diverged(progress, []);
  return {
    epoch: progress.epoch + 1,
    trainLoss: progress.lossSum / progress.batches,
    validLoss,
    lr: cosine(lr, progress.epoch, epochs),
    auc: aucs(probabilities, valid.labels),
    imagesPerSecond: (progress.batches * batch) / progress.seconds,
    waitShare: progress.waitSeconds / progress.seconds,
    seconds: progress.seconds + (performance.now() - since) / 1000,
    peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

function aucs(probabilities: Float64Array, labels: Float32Array): Record<ClassName, number | null> {
  const column = (values: Float64Array | Float32Array, c: number): Float64Array =>
    Float64Array.from({ length: values.length / CLASSES.length }, (_, i) => values[i * CLASSES.length + c]!);
  const entries = CLASSES.map((name, c): [ClassName, number | null] => {
    const value = auc(column(probabilities, c), column(labels, c));
    return [name, Number.isNaN(value) ? null : value];
  });
  return Object.fromEntries(entries) as Record<ClassName, number | null>;
}

async function stop({ context }: FitOptions, save: () => Promise<void>): Promise<never> {
  await save();
  context.log('stopped; a rerun continues here');
  throw context.signal.reason;
}

function diverged({ epoch, batches }: Progress, names: readonly string[]): InputError {
  const where = names.length === 0 ? 'the validation' : `batch ${batches + 1} (${some(names, 'image', 64)})`;
  return new InputError(`the loss is not a number in epoch ${epoch + 1}, ${where}; lower lr, or look at these images`);
}

function report({ epochs, context }: FitOptions, record: EpochLine): void {
  const { epoch, trainLoss, validLoss, lr, imagesPerSecond, waitShare, peakMemoryMiB } = record;
  const any = record.auc.any;
  context.metric('train_loss', trainLoss, epoch);
  context.metric('loss', validLoss, epoch);
  if (any !== null) context.metric('auc_any', any, epoch);
  context.metric('images_per_second', imagesPerSecond, epoch);
  context.log(
    `epoch ${epoch}/${epochs}: training loss ${trainLoss.toFixed(5)}, validation ${validLoss.toFixed(5)}, ` +
      `AUC any ${any?.toFixed(4) ?? 'unknown (one class only)'}, lr ${lr.toPrecision(3)}, ` +
      `${imagesPerSecond.toFixed(1)} images/s, ${(100 * waitShare).toFixed(0)} % of it waiting for images, ` +
      `at most ${peakMemoryMiB} MiB`,
  );
}
