// Training steps by ONNX Runtime: one session a step, and, where a step is made of parts, a second one for the optimiser, so
// that the memory of the network is there once.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type StepPlan, type Stepper, type Vectors, vectorNames } from '../stepper.ts';
import { HOST_NUMBERS } from './adamw.ts';
import { buildTrainingGraph, type Target } from './training.ts';

export interface OnnxOptions {
  readonly target: Target;
  readonly threads: number;
  /** onnxruntime-node's; the CPU alone where absent. */
  readonly executionProviders?: InferenceSession.SessionOptions['executionProviders'];
}

type VectorTensors = Record<keyof Vectors, Tensor>;

/** Throws what ONNX Runtime throws where a provider or the memory is not to be had. */
export async function createOnnxStepper(plan: StepPlan, options: OnnxOptions): Promise<Stepper> {
  const graph = buildTrainingGraph(plan.model, plan.batch, plan.classWeights, plan.adamW, options.target, plan.parts);
  const session = await openSession(graph.model, options);
  const update = graph.update === null ? null : await openSession(graph.update, options);
  const { vectorLength: length } = graph;
  const lengths = { params: length, m: length, v: length, buffers: graph.buffers.length };
  // Each vector has a spare one that the next step writes into.
  let current = tensors(lengths);
  let spare = tensors(lengths);
  let gradient = update === null ? null : vector(length);
  let spareGradient = update === null ? null : vector(length);
  const result = vector(graph.resultLength);
  const { input } = plan.model;
  const classes = (graph.resultLength - 1) / plan.batch;

  const swap = (names: readonly (keyof Vectors)[]): void => {
    for (const name of names) [current[name], spare[name]] = [spare[name], current[name]];
  };
  const fetches = (names: readonly (keyof Vectors)[]): Record<string, Tensor> =>
    Object.fromEntries(names.map((name) => [`${name}_out`, spare[name]]));
  const finish = async (host: Float32Array): Promise<void> => {
    const { params, m, v } = current;
    await update!.run(
      { params, m, v, gradient: gradient!, host: new Tensor('float32', host, [HOST_NUMBERS]) },
      fetches(['params', 'm', 'v']),
    );
    swap(['params', 'm', 'v']);
    (gradient!.data as Float32Array).fill(0);
  };

  return {
    ...graph,
    async step({ x, y, masks, host }) {
      const data = {
        x: new Tensor('float32', x, [plan.batch, 3, input, input]),
        y: new Tensor('float32', y, [plan.batch, classes]),
        ...(masks.length > 0 && { masks: new Tensor('float32', masks, [masks.length]) }),
      };
      if (update === null) {
        if (host === null) throw new Error('internal error: a step of one part without its numbers');
        const numbers = new Tensor('float32', host, [HOST_NUMBERS]);
        await session.run({ ...data, ...current, host: numbers }, { ...fetches(vectorNames), result });
        swap(vectorNames);
      } else {
        const { params, buffers } = current;
        const feeds = { ...data, params, buffers, gradient: gradient! };
        await session.run(feeds, { ...fetches(['buffers']), gradient_out: spareGradient!, result });
        swap(['buffers']);
        [gradient, spareGradient] = [spareGradient, gradient];
        if (host !== null) await finish(host);
      }
      return (result.data as Float32Array).slice();
    },
    async read() {
      const { parameters, buffers } = graph;
      const read = (name: keyof Vectors): Float32Array =>
        (current[name].data as Float32Array).subarray(0, (name === 'buffers' ? buffers : parameters).length);
      return Object.fromEntries(vectorNames.map((name) => [name, read(name)])) as Vectors;
    },
    async write(vectors) {
      for (const name of vectorNames) (current[name].data as Float32Array).set(vectors[name]);
      (gradient?.data as Float32Array | undefined)?.fill(0);
    },
    async close() {
      current = spare = tensors({ params: 0, m: 0, v: 0, buffers: 0 });
      await session.release();
      await update?.release();
    },
  };
}

function openSession(model: Uint8Array, { threads, executionProviders }: OnnxOptions): Promise<InferenceSession> {
  return InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'basic',
    enableMemPattern: false,
    logSeverityLevel: 4, // What goes wrong is thrown.
    ...(executionProviders && { executionProviders }),
  });
}

function vector(length: number): Tensor {
  return new Tensor('float32', new Float32Array(length), [length]);
}

function tensors(lengths: Record<keyof Vectors, number>): VectorTensors {
  return Object.fromEntries(vectorNames.map((name) => [name, vector(lengths[name])])) as VectorTensors;
}
