// Training steps and predictions by TensorFlow.js: the graph that ONNX Runtime is given too, run node by node. Parameters,
// moments and running statistics stay on the device between steps.
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { Node } from '../graph/graph.ts';
import { type Layout, layoutOf } from '../models/flat.ts';
import { buildModel, type ModelSpec, type Tensors } from '../models/models.ts';
import type { Predictor } from '../onnx/predictor.ts';
import { buildStep } from '../onnx/training.ts';
import { type StepPlan, type Stepper, type Vectors, vectorNames } from '../stepper.ts';
import type { TensorFlow } from './load.ts';
import { compile, fromShape, run } from './run.ts';

type VectorTensors = Record<keyof Vectors, Tensor1D>;

export function createTfjsStepper(tf: TensorFlow, plan: StepPlan): Stepper {
  const { parts, adamW } = plan;
  const step = buildStep(plan.model, plan.batch, plan.classWeights);
  const { net } = step;
  const statistics = net.buffers.map(({ name }) => net.statistics.get(name)!);
  const program = compile(net.graph, [step.loss, step.logits, ...step.gradients, ...statistics]);
  const [parameters, buffers, maskLayout] = [layoutOf(net.parameters), layoutOf(net.buffers), layoutOf(net.masks)];
  const zeros = (length: number): Tensor1D => tf.zeros([length]);
  const state: VectorTensors = {
    params: zeros(parameters.length),
    m: zeros(parameters.length),
    v: zeros(parameters.length),
    buffers: zeros(buffers.length),
  };
  let gradient = zeros(parameters.length);
  const set = (name: keyof Vectors, value: Tensor1D): void => {
    state[name].dispose();
    state[name] = value;
  };
  const setGradient = (value: Tensor1D): void => {
    gradient.dispose();
    gradient = value;
  };
  const follow = (old: Tensor1D, target: Tensor, rate: number): Tensor1D =>
    tf.add(old, tf.mul(tf.sub(target, old), rate));

  const update = (host: Float32Array): void => {
    const [decay, rate, epsilon] = host as unknown as [number, number, number];
    set(
      'm',
      tf.tidy(() => tf.add(tf.mul(state.m, adamW.beta1), gradient)),
    );
    set(
      'v',
      tf.tidy(() => tf.add(tf.mul(state.v, adamW.beta2), tf.square(gradient))),
    );
    const next = tf.tidy(() => {
      const step = tf.div(state.m, tf.add(tf.sqrt(state.v), epsilon));
      return tf.sub(tf.mul(state.params, decay), tf.mul(step, rate)) as Tensor1D;
    });
    set('params', next);
    setGradient(zeros(parameters.length));
  };

  return {
    parameters,
    buffers,
    masks: net.masks,
    maskLayout,
    resultLength: 1 + step.logits.shape[0]! * step.logits.shape[1]!,
    async step({ x, y, masks, host }) {
      const given = new Map([
        [step.x.id, fromShape(tf, step.x, x)],
        [step.y.id, fromShape(tf, step.y, y)],
        ...cut(tf, state.params, parameters, net.parameters),
      ]);
      maskLayout.slots.forEach(({ start, end }, i) => {
        const { node } = net.masks[i]!;
        given.set(node.id, fromShape(tf, node, masks.subarray(start, end)));
      });
      const outputs = run(tf, program, given);
      const [loss, logits] = outputs as [Tensor, Tensor];
      const rest = outputs.slice(2 + step.gradients.length);
      setGradient(
        tf.tidy(() => tf.add(gradient, tf.div(joined(tf, outputs.slice(2, 2 + step.gradients.length)), parts))),
      );
      set(
        'buffers',
        tf.tidy(() => follow(state.buffers, joined(tf, rest), net.batchNorm.momentum)),
      );
      const result = Float32Array.of(...(await loss.data()), ...(await logits.data()));
      tf.dispose([...outputs, ...given.values()]);
      if (host !== null) update(host);
      return result;
    },
    async read() {
      const entries = vectorNames.map(async (name) => [name, await state[name].data()] as const);
      return Object.fromEntries(await Promise.all(entries)) as Vectors;
    },
    async write(vectors) {
      // A copy: a backend may keep the array that it is given.
      for (const name of vectorNames) set(name, tf.tensor1d(vectors[name].slice()));
      setGradient(zeros(parameters.length));
    },
    async close() {
      tf.dispose([...vectorNames.map((name) => state[name]), gradient]);
    },
  };
}

/** Logits in inference mode. */
export function createTfjsPredictor(tf: TensorFlow, spec: ModelSpec, weights: Tensors): Predictor {
  const held = new Map(
    [...weights].map(([name, { shape, data }]) => [name, tf.tensor(data.slice(), shape, 'float32')]),
  );
  const build = (n: number) => {
    const { net, x, logits } = buildModel(spec, 'infer', n);
    const given = [...net.parameters, ...net.buffers].map(({ name, node }) => [node.id, held.get(name)!] as const);
    return { program: compile(net.graph, [logits]), x, given };
  };
  // A graph has one batch size; two occur, that of a last batch is another.
  const graphs = new Map<number, ReturnType<typeof build>>();
  return {
    inputSize: spec.input,
    metadata: {},
    async predict(x, n) {
      const graph = graphs.get(n) ?? build(n);
      graphs.set(n, graph);
      const image = fromShape(tf, graph.x, x.subarray(0, n * 3 * spec.input ** 2));
      const [logits] = run(tf, graph.program, new Map([[graph.x.id, image], ...graph.given]));
      const values = Float32Array.from(await logits!.data());
      tf.dispose([logits!, image]);
      return values;
    },
    async close() {
      tf.dispose([...held.values()]);
    },
  };
}

/** A tensor for each part of the flat vector, by its node. */
function cut(
  tf: TensorFlow,
  vector: Tensor1D,
  { slots }: Layout,
  declared: readonly { readonly node: Node }[],
): [number, Tensor][] {
  return slots.map(({ start, end, shape }, i) => [
    declared[i]!.node.id,
    tf.tidy(() => tf.reshape(tf.slice(vector, [start], [end - start]), [...shape])),
  ]);
}

function joined(tf: TensorFlow, tensors: readonly Tensor[]): Tensor {
  return tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]) as Tensor1D));
}
