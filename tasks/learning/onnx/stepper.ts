// Training steps by ONNX Runtime: one session a step, and, where a step is made of parts, a second one for the optimiser, so
// that the memory of the network is there once.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type StepPlan, type Stepper, type Vectors, vectorNames } from '../stepper.ts';
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
  const lengths = { params: length, m: length, v: length, buffers: graph.buffers.length };
  // Each vector has a spare one that the next step writes into.
  let current = vectors(lengths);
  let spare = vectors(lengths);
  let gradient = update === null ? null : new Float32Array(length);
  let spareGradient = update === null ? null : new Float32Array(length);
  const result = flat(new Float32Array(graph.resultLength));
  const { input } = plan.model;
  const classes = (graph.resultLength - 1) / plan.batch;

  const swap = (names: readonly (keyof Vectors)[]): void => {
    for (const name of names) [current[name], spare[name]] = [spare[name], current[name]];
  };
  const fetches = (names: readonly (keyof Vectors)[]): Record<string, Tensor> =>
    Object.fromEntries(
      names.map((name) => [
        `${name}_out`,
        name === 'buffers' ? flat(spare[name]) : new Tensor('float32', spare[name], graph.vectorShape),
      ]),
    );
  const feeds = (tensors: Record<string, Tensor>): Record<string, Tensor> => {
    for (const { name, of, shape } of graph.views) {
      const viewed = tensors[of];
      if (viewed !== undefined) tensors[name] = new Tensor('float32', viewed.data as Float32Array, shape);
    }
    return tensors;
  };
  const finish = async (host: Float32Array): Promise<void> => {
    const { params, m, v } = current;
    const given = { params: flat(params), m: flat(m), v: flat(v), gradient: flat(gradient!), host: flat(host) };
    await update!.run(feeds(given), fetches(['params', 'm', 'v']));
    swap(['params', 'm', 'v']);
    gradient!.fill(0);
  };

  return {
    ...graph,
    async step({ x, y, masks, host }) {
      const { params, m, v, buffers } = current;
      const data = {
        x: new Tensor('float32', x, [plan.batch, 3, input, input]),
        y: new Tensor('float32', y, [plan.batch, classes]),
        ...(masks.length > 0 && { masks: flat(masks) }),
        params: flat(params),
        buffers: flat(buffers),
      };
      if (update === null) {
        if (host === null) throw new Error('internal error: a step of one part without its numbers');
        const given = { ...data, m: flat(m), v: flat(v), host: flat(host) };
        await session.run(feeds(given), { ...fetches(vectorNames), result });
        swap(vectorNames);
      } else {
        const given = { ...data, gradient: flat(gradient!) };
        await session.run(feeds(given), { ...fetches(['buffers']), gradient_out: flat(spareGradient!), result });
        swap(['buffers']);
        [gradient, spareGradient] = [spareGradient, gradient];
        if (host !== null) await finish(host);
      }
      return (result.data as Float32Array).slice();
    },
    async read() {
      const { parameters, buffers } = graph;
      const read = (name: keyof Vectors): Float32Array =>
        current[name].subarray(0, (name === 'buffers' ? buffers : parameters).length);
      return Object.fromEntries(vectorNames.map((name) => [name, read(name)])) as Vectors;
    },
    async write(vectors) {
      for (const name of vectorNames) current[name].set(vectors[name]);
      gradient?.fill(0);
    },
    async close() {
      current = spare = vectors({ params: 0, m: 0, v: 0, buffers: 0 });
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

function vectors(lengths: Record<keyof Vectors, number>): Vectors {
  return Object.fromEntries(vectorNames.map((name) => [name, new Float32Array(lengths[name])])) as Vectors;
}
