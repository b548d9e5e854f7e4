// The door of learning: a trainer that takes batches and gives losses, the export of what it learnt, and a predictor.
// Same weights, data, seed and threads give the same bits, whatever happens around; `state` and `load` carry everything.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Layout, pack, unpack } from './flat.ts';
import { initialise, type ModelSpec, type Tensors } from './models/models.ts';
import type { Mask } from './models/network.ts';
import { type AdamW, HOST_NUMBERS, hostNumbers } from './onnx/adamw.ts';
import { exportOnnx } from './onnx/export.ts';
import { createPredictor, type Predictor } from './onnx/predictor.ts';
import { blockSize } from './onnx/probe.ts';
import { buildTrainingGraph, type TrainingGraph } from './onnx/training.ts';
import { createRandom, type Random, resumeRandom } from './random.ts';

export { type Arch, initialise, type ModelSpec, type TensorData, type Tensors } from './models/models.ts';
export { exportOnnx } from './onnx/export.ts';
export { createPredictor, type Predictor } from './onnx/predictor.ts';

export interface TrainerOptions {
  model: ModelSpec;
  /** Images a step: exactly this many. */
  batch: number;
  threads: number;
  /** Of the initial weights and of the masks of dropout and stochastic depth. */
  seed: number;
  weightDecay: number;
  /** A weight for each class; they are divided by their sum. */
  classWeights: readonly number[];
  device?: string;
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
  /** Steps taken. */
  step: number;
  /** The stream of the masks. */
  rng: number[];
}

export interface Trainer {
  /** What was chosen, and why, in one line. */
  readonly device: string;
  /** One step of AdamW. x (N,3,S,S), y (N,classes); the logits are those of training mode, before the step. */
  step(x: Float32Array, y: Float32Array, options: { lr: number }): Promise<{ loss: number; logits: Float32Array }>;
  /** Logits (n,classes) in inference mode, with the current weights and running statistics. */
  predict(x: Float32Array, n: number): Promise<Float32Array>;
  state(): Promise<TrainerState>;
  load(state: { weights: Tensors; optimizer?: Tensors; step?: number; rng?: number[] }): Promise<void>;
  close(): Promise<void>;
}

/** The vectors that a step replaces, each with the spare one that the next step writes into. */
type StateName = 'params' | 'm' | 'v' | 'buffers';
const stateNames: readonly StateName[] = ['params', 'm', 'v', 'buffers'];

export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const device = chooseDevice(options.device ?? 'auto');
  const adamW: AdamW = {
    beta1: options.betas?.[0] ?? 0.9,
    beta2: options.betas?.[1] ?? 0.999,
    epsilon: options.eps ?? 1e-8,
    weightDecay: options.weightDecay,
  };
  const graph = buildTrainingGraph(options.model, options.batch, options.classWeights, adamW, await blockSize());
  const session = await InferenceSession.create(graph.model, {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'basic',
    enableMemPattern: false,
    logSeverityLevel: 3,
  });
  const lengths = { params: graph.parameters.length, m: graph.parameters.length, v: graph.parameters.length };
  let current = stateTensors({ ...lengths, buffers: graph.buffers.length });
  let spare = stateTensors({ ...lengths, buffers: graph.buffers.length });
  const result = vector(graph.resultLength);
  let steps = 0;
  let random = createRandom(options.seed, 1);
  let predictor: Promise<Predictor> | undefined;

  const setWeights = (weights: Tensors): void => {
    pack(graph.parameters, weights, current.params.data as Float32Array);
    pack(graph.buffers, weights, current.buffers.data as Float32Array);
  };
  const getWeights = (): Tensors => {
    const weights: Tensors = new Map();
    unpack(graph.parameters, current.params.data as Float32Array, weights);
    unpack(graph.buffers, current.buffers.data as Float32Array, weights);
    return weights;
  };
  const forgetPredictor = async (): Promise<void> => {
    const old = predictor;
    predictor = undefined;
    await (await old)?.close();
  };
  setWeights(initialise(options.model, options.seed));

  return {
    device,
    async step(x, y, { lr }) {
      const { input } = options.model;
      const classes = (graph.resultLength - 1) / options.batch;
      const images = batchTensor('x', x, [options.batch, 3, input, input]);
      const labels = batchTensor('y', y, [options.batch, classes]);
      await forgetPredictor();
      steps += 1;
      const feeds = {
        x: images,
        y: labels,
        host: new Tensor('float32', hostNumbers(adamW, lr, steps), [HOST_NUMBERS]),
        ...(graph.maskLayout.length > 0 && { masks: drawMasks(graph.masks, graph.maskLayout, random) }),
        ...current,
      };
      const fetches = Object.fromEntries(stateNames.map((name) => [`${name}_out`, spare[name]]));
      await session.run(feeds, { ...fetches, result });
      [current, spare] = [spare, current];
      const values = result.data as Float32Array;
      return { loss: values[0]!, logits: values.slice(1) };
    },
    async predict(x, n) {
      predictor ??= createPredictor(exportOnnx(options.model, getWeights(), {}), { threads: options.threads });
      return (await predictor).predict(x, n);
    },
    async state() {
      const optimizer: Tensors = new Map();
      unpack(graph.parameters, current.m.data as Float32Array, optimizer, 'm.');
      unpack(graph.parameters, current.v.data as Float32Array, optimizer, 'v.');
      return { weights: getWeights(), optimizer, step: steps, rng: random.state() };
    },
    async load(state) {
      await forgetPredictor();
      setWeights(state.weights);
      loadMoments(graph, state.optimizer, current.m.data as Float32Array, current.v.data as Float32Array);
      steps = state.step ?? 0;
      random = state.rng === undefined ? createRandom(options.seed, 1) : resumeRandom(state.rng);
    },
    async close() {
      await forgetPredictor();
      await session.release();
    },
  };
}

function chooseDevice(wanted: string): string {
  if (wanted === 'cpu') return 'cpu (onnxruntime): asked for';
  if (wanted === 'auto') return 'cpu (onnxruntime): the only device so far';
  throw new Error(`device "${wanted}" does not exist: use "auto" or "cpu"`);
}

function vector(length: number): Tensor {
  return new Tensor('float32', new Float32Array(length), [length]);
}

function stateTensors(lengths: Record<StateName, number>): Record<StateName, Tensor> {
  return {
    params: vector(lengths.params),
    m: vector(lengths.m),
    v: vector(lengths.v),
    buffers: vector(lengths.buffers),
  };
}

function batchTensor(name: string, data: Float32Array, shape: readonly number[]): Tensor {
  const length = shape.reduce((a, b) => a * b, 1);
  if (data.length !== length) throw new Error(`step: ${name} has ${data.length} values, a batch is [${shape}]`);
  return new Tensor('float32', data, shape);
}

/** A factor of 1/keep or 0 for each element, in the order of the layout. */
function drawMasks(masks: readonly Mask[], layout: Layout, random: Random): Tensor {
  const data = new Float32Array(layout.length);
  layout.slots.forEach(({ start, end }, i) => {
    const { keep } = masks[i]!;
    for (let at = start; at < end; at++) data[at] = random.next() < keep ? 1 / keep : 0;
  });
  return new Tensor('float32', data, [data.length]);
}

function loadMoments(graph: TrainingGraph, optimizer: Tensors | undefined, m: Float32Array, v: Float32Array): void {
  if (optimizer === undefined) {
    m.fill(0);
    v.fill(0);
    return;
  }
  pack(graph.parameters, optimizer, m, 'm.');
  pack(graph.parameters, optimizer, v, 'v.');
}
