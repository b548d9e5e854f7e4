// The door of learning: a trainer that takes batches and gives losses, the export of what it learnt, and a predictor.
// Same weights, data, seed and threads give the same bits, whatever happens around; `state` and `load` carry everything.
import { openDevice } from '../device/device.ts';
import { type Layout, pack, unpack } from '../models/flat.ts';
import { initialise, type ModelSpec, type Tensors } from '../models/models.ts';
import type { Mask } from '../models/network.ts';
import { hostNumbers } from '../onnx/adamw.ts';
import type { Predictor } from '../onnx/predictor.ts';
import { createRandom, type Random, resumeRandom } from '../random.ts';
import type { AdamW, StepPlan, Stepper, Vectors } from '../stepper.ts';

export { type Arch, initialise, type ModelSpec, type TensorData, type Tensors } from '../models/models.ts';
export { exportOnnx } from '../onnx/export.ts';
export { createPredictor, type Predictor } from '../onnx/predictor.ts';

export interface TrainerOptions {
  model: ModelSpec;
  /** Images that a call of `step` takes: exactly this many. */
  batch: number;
  /** Calls that make one step of the optimiser (gradient accumulation); 1. */
  parts?: number;
  threads: number;
  /** Of the initial weights and of the masks of dropout and stochastic depth. */
  seed: number;
  weightDecay: number;
  /** A weight for each class; they are divided by their sum. */
  classWeights: readonly number[];
  /** auto, cpu, cuda, webgpu or tfjs; auto. */
  device?: string;
  /** GPUs given to this node; none. */
  gpus?: readonly number[];
  /** Decay of a moving average of the weights, which is then what is evaluated and kept; none. */
  ema?: number;
  /** AdamW's decay of its moments; 0.9 and 0.999. */
  betas?: readonly [number, number];
  /** AdamW's epsilon; 1e-8. */
  eps?: number;
}

export interface TrainerState {
  /** Parameters and running statistics. */
  weights: Tensors;
  /** AdamW's moments, `m.NAME` and `v.NAME`. */
  optimizer: Tensors;
  /** The moving average of `weights`, where there is one. */
  average?: Tensors;
  /** Steps taken. */
  step: number;
  /** The stream of the masks. */
  rng: number[];
}

export interface Trainer {
  /** What was chosen, and why, in one line. */
  readonly device: string;
  /**
   * One step of AdamW, or one part of it. x (N,3,S,S), y (N,classes); loss and logits are those of this batch in training mode,
   * before the step. Parts give the gradient of the large batch, up to batch norm, whose statistics are each part's own.
   */
  step(x: Float32Array, y: Float32Array, options: { lr: number }): Promise<{ loss: number; logits: Float32Array }>;
  /** Logits (n,classes) in inference mode, with the current weights, or their average where there is one. */
  predict(x: Float32Array, n: number): Promise<Float32Array>;
  /** Throws between the parts of a step. */
  state(): Promise<TrainerState>;
  load(state: {
    weights: Tensors;
    optimizer?: Tensors;
    average?: Tensors;
    step?: number;
    rng?: number[];
  }): Promise<void>;
  close(): Promise<void>;
}

/** InputError where the device does not exist or cannot be used; throws what its runtime throws without memory. */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { model, batch, parts = 1, threads, gpus = [], ema } = options;
  const adamW: AdamW = {
    beta1: options.betas?.[0] ?? 0.9,
    beta2: options.betas?.[1] ?? 0.999,
    epsilon: options.eps ?? 1e-8,
    weightDecay: options.weightDecay,
  };
  const plan: StepPlan = { model, batch, parts, classWeights: options.classWeights, adamW };
  const {
    line,
    stepper,
    predictor: open,
  } = await openDevice(plan, { device: options.device ?? 'auto', threads, gpus });
  let steps = 0;
  let part = 0;
  let random = createRandom(options.seed, 1);
  let average: Average | null = null;
  let predictor: Promise<Predictor> | undefined;

  const forgetPredictor = async (): Promise<void> => {
    const old = predictor;
    predictor = undefined;
    await (await old)?.close();
  };
  const load: Trainer['load'] = async (state) => {
    await forgetPredictor();
    const vectors = packed(stepper, state.weights, state.optimizer);
    await stepper.write(vectors);
    if (ema !== undefined) average = state.average ? packed(stepper, state.average) : vectors;
    steps = state.step ?? 0;
    part = 0;
    random = state.rng === undefined ? createRandom(options.seed, 1) : resumeRandom(state.rng);
  };
  await load({ weights: initialise(model, options.seed) });

  return {
    device: line,
    async step(x, y, { lr }) {
      const { input } = model;
      checkLength('x', x, [batch, 3, input, input]);
      checkLength('y', y, [batch, (stepper.resultLength - 1) / batch]);
      await forgetPredictor();
      const last = part + 1 === parts;
      const masks = drawMasks(stepper.masks, stepper.maskLayout, random);
      const result = await stepper.step({ x, y, masks, host: last ? hostNumbers(adamW, lr, steps + 1) : null });
      part = last ? 0 : part + 1;
      if (last) steps += 1;
      if (last && average !== null) follow(average, await stepper.read(), emaRate(ema!, steps));
      return { loss: result[0]!, logits: result.slice(1) };
    },
    async predict(x, n) {
      predictor ??= open(model, unpacked(stepper, average ?? (await stepper.read())));
      return (await predictor).predict(x, n);
    },
    async state() {
      if (part !== 0) throw new Error(`state: asked for after ${part} of ${parts} parts of a step`);
      const vectors = await stepper.read();
      const optimizer: Tensors = new Map();
      unpack(stepper.parameters, vectors.m, optimizer, 'm.');
      unpack(stepper.parameters, vectors.v, optimizer, 'v.');
      const averaged = average === null ? {} : { average: unpacked(stepper, average) };
      return { weights: unpacked(stepper, vectors), optimizer, ...averaged, step: steps, rng: random.state() };
    },
    load,
    async close() {
      await forgetPredictor();
      await stepper.close();
    },
  };
}

type Average = Pick<Vectors, 'params' | 'buffers'>;

function packed({ parameters, buffers }: Stepper, weights: Tensors, optimizer?: Tensors): Vectors {
  const { length } = parameters;
  const [params, m, v] = [0, 0, 0].map(() => new Float32Array(length)) as [Float32Array, Float32Array, Float32Array];
  const vectors: Vectors = { params, m, v, buffers: new Float32Array(buffers.length) };
  pack(parameters, weights, params);
  pack(buffers, weights, vectors.buffers);
  if (optimizer === undefined) return vectors;
  pack(parameters, optimizer, m, 'm.');
  pack(parameters, optimizer, v, 'v.');
  return vectors;
}

function unpacked({ parameters, buffers }: Stepper, vectors: Average): Tensors {
  const weights: Tensors = new Map();
  unpack(parameters, vectors.params, weights);
  unpack(buffers, vectors.buffers, weights);
  return weights;
}

/** How far the average moves in a step: 1 - decay, and more in the first, as TensorFlow's moving average does. */
function emaRate(decay: number, step: number): number {
  return 1 - Math.min(decay, (1 + step) / (10 + step));
}

function follow(average: Average, current: Average, rate: number): void {
  for (const name of ['params', 'buffers'] as const) {
    const [mean, target] = [average[name], current[name]];
    for (let i = 0; i < mean.length; i++) mean[i]! += rate * (target[i]! - mean[i]!);
  }
}

function checkLength(name: string, data: Float32Array, shape: readonly number[]): void {
  const length = shape.reduce((a, b) => a * b, 1);
  if (data.length !== length) throw new Error(`step: ${name} has ${data.length} values, a batch is [${shape}]`);
}

/** A factor of 1/keep or 0 for each element, in the order of the layout. */
function drawMasks(masks: readonly Mask[], layout: Layout, random: Random): Float32Array {
  const data = new Float32Array(layout.length);
  layout.slots.forEach(({ start, end }, i) => {
    const { keep } = masks[i]!;
    for (let at = start; at < end; at++) data[at] = random.next() < keep ? 1 / keep : 0;
  });
  return data;
}
