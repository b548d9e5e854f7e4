// Training steps by ONNX Runtime: one session a step, and, where a step is made of parts, a second one for the optimiser, so
// that the memory of the network is there once.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { sizeOf } from '../graph/graph.ts';
import { type StepPlan, type Stepper, type Vectors, vectorNames } from '../stepper.ts';
import type { View } from './emitter.ts';
import { buildTrainingGraph, type Target } from './training.ts';

export interface OnnxOptions {
  readonly target: Target;
  readonly threads: number;
  /** onnxruntime-node's; the CPU alone where absent. */
  readonly executionProviders?: InferenceSession.SessionOptions['executionProviders'];
}

/** Throws what ONNX Runtime throws where a provider or the memory is not to be had. */
export async function createOnnxStepper(plan: StepPlan, options: OnnxOptions): Promise<Stepper> {
  const graph = buildTrainingGraph(plan.model, plan.batch, plan.classWeights, plan.adamW, options.target, plan.parts);
  const session = await openSession(graph.model, options);
  const update = graph.update === null ? null : await openSession(graph.update, options);
  const { vectorLength: length } = graph;
  // A step writes its vectors in place: each value is made of what stood there, and what else reads it has done so before.
  const vectors: Vectors = {
    params: new Float32Array(length),
    m: new Float32Array(length),
    v: new Float32Array(length),
    buffers: new Float32Array(graph.buffers.length),
  };
  const gradient = new Float32Array(update === null ? 0 : length);
  const result = flat(new Float32Array(graph.resultLength));
  const { input } = plan.model;
  const classes = (graph.resultLength - 1) / plan.batch;
  const kept = withViews({ ...mapped(vectors, flat), gradient: flat(gradient) }, graph.views);
  const next = (names: readonly (keyof Vectors)[]): Record<string, Tensor> =>
    Object.fromEntries(
      names.map((name) => [
        `${name}_out`,
        name === 'buffers' ? kept.buffers! : new Tensor('float32', vectors[name], graph.vectorShape),
      ]),
    );
  const whole = { ...next(vectorNames), result };
  const part = { ...next(['buffers']), gradient_out: kept.gradient!, result };
  const last = next(['params', 'm', 'v']);

  return {
    ...graph,
    async step({ x, y, masks, host }) {
      const given = {
        x: new Tensor('float32', x, [plan.batch, 3, input, input]),
        y: new Tensor('float32', y, [plan.batch, classes]),
        ...(masks.length > 0 && { masks: flat(masks) }),
        ...(host !== null && { host: flat(host) }),
      };
      const feeds = { ...kept, ...withViews(given, graph.views) };
      await session.run(feeds, update === null ? whole : part);
      if (update !== null && host !== null) {
        await update.run(feeds, last);
        gradient.fill(0);
      }
      return (result.data as Float32Array).slice();
    },
    async read() {
      const { parameters, buffers } = graph;
      return mapped(vectors, (vector, name) => vector.subarray(0, (name === 'buffers' ? buffers : parameters).length));
    },
    async write(values) {
      for (const name of vectorNames) vectors[name].set(values[name]);
      gradient.fill(0);
    },
    async close() {
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

function flat(vector: Float32Array): Tensor {
  return new Tensor('float32', vector, [vector.length]);
}

function mapped<T>(vectors: Vectors, f: (vector: Float32Array, name: keyof Vectors) => T): Record<keyof Vectors, T> {
  return Object.fromEntries(vectorNames.map((name) => [name, f(vectors[name], name)])) as Record<keyof Vectors, T>;
}

/** The tensors, and those views that are of them. */
export function withViews(tensors: Record<string, Tensor>, views: readonly View[]): Record<string, Tensor> {
  const all = { ...tensors };
  for (const { name, of, start, shape } of views) {
    const values = all[of]?.data as Float32Array | undefined;
    if (values !== undefined) all[name] = new Tensor('float32', values.subarray(start, start + sizeOf(shape)), shape);
  }
  return all;
}
