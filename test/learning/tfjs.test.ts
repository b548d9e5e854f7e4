// The TensorFlow.js lowering: every operation against its definition, forward and backward, and one step of a network on both
// lowerings. Run on the plain CPU backend, and on tfjs-node with its libtensorflow where that is installed, as
// test/oracles/learning/tfjs_node.sh does.
import * as core from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { disagreement } from '../../tasks/learning/device/selfCheck.ts';
import type { Graph, Node, Shape } from '../../tasks/learning/graph/graph.ts';
import { interpret } from '../../tasks/learning/graph/interpret.ts';
import { pack } from '../../tasks/learning/models/flat.ts';
import { initialise, type ModelSpec } from '../../tasks/learning/models/models.ts';
import { hostNumbers } from '../../tasks/learning/onnx/adamw.ts';
import { blockSize } from '../../tasks/learning/onnx/probe.ts';
import { createOnnxStepper } from '../../tasks/learning/onnx/stepper.ts';
import { buildStep } from '../../tasks/learning/onnx/training.ts';
import * as channel from '../../tasks/learning/ops/channel.ts';
import { conv, convWeightGrad, POINTWISE } from '../../tasks/learning/ops/convolution.ts';
import * as elementwise from '../../tasks/learning/ops/elementwise.ts';
import * as matrix from '../../tasks/learning/ops/matrix.ts';
import { averagePool, maxPool } from '../../tasks/learning/ops/pool.ts';
import { concat, flatten, reshape, sliceChannels } from '../../tasks/learning/ops/shape.ts';
import { createRandom } from '../../tasks/learning/random.ts';
import type { StepPlan, Stepper, Vectors } from '../../tasks/learning/stepper.ts';
import { loadTensorFlow, type TensorFlow } from '../../tasks/learning/tfjs/load.ts';
import { rules } from '../../tasks/learning/tfjs/rules.ts';
import { compile, fromShape, run, toShape } from '../../tasks/learning/tfjs/run.ts';
import { createTfjsPredictor, createTfjsStepper } from '../../tasks/learning/tfjs/stepper.ts';
import { createPredictor, createTrainer, exportOnnx } from '../../tasks/learning/training/trainer.ts';
import { buildCase, normals, weight, worst } from './core/rig.ts';

const installed = await loadTensorFlow();
const backends: [string, TensorFlow, string][] = [['TensorFlow.js on the CPU', core, 'cpu']];
if (!('problem' in installed)) backends.push([installed.name, installed.tf, 'tensorflow']);

type Build = (graph: Graph, ...xs: Node[]) => Node;

const image: Shape = [2, 3, 4, 5];
const point: Shape = [2, 3, 1, 1];
const pool = { kernel: 3, stride: 2, pad: 1, ceil: false };

const operations: [string, Shape[], Build][] = [
  ['add', [image, image], elementwise.add],
  ['sub', [image, image], elementwise.sub],
  ['mul', [image, image], elementwise.mul],
  ['affine', [image], (g, x) => elementwise.affine(g, x!, 1.5, -0.25)],
  ['rsqrt', [[7]], (g, x) => elementwise.rsqrt(g, elementwise.affine(g, elementwise.mul(g, x!, x!), 1, 0.5), 1e-3)],
  ['sigmoid', [image], elementwise.sigmoid],
  ['softplus', [image], elementwise.softplus],
  ['swish', [image], elementwise.swish],
  ['relu', [image], elementwise.relu],
  ['channelSum', [image], channel.channelSum],
  ['channelDot', [image, image], channel.channelDot],
  ['Gram matrix', [image], (g, x) => convWeightGrad(g, x!, x!, [3, 3, 1, 1], POINTWISE)],
  ['scaleShift', [image, [3], [3]], channel.scaleShift],
  ['channelScale', [image, [3]], channel.channelScale],
  ['channelBroadcast', [[3]], (g, v) => channel.channelBroadcast(g, v!, image)],
  ['spatialSum', [image], channel.spatialSum],
  ['spatialDot', [image, image], channel.spatialDot],
  ['gate', [image, point], channel.gate],
  ['gateShift', [image, point, point], channel.gateShift],
  ['spatialBroadcast', [point], (g, v) => channel.spatialBroadcast(g, v!, image)],
  ['concat', [image, [2, 2, 4, 5]], (g, a, b) => concat(g, [a!, b!])],
  ['sliceChannels', [image], (g, x) => sliceChannels(g, x!, 1, 3)],
  ['flatten', [point], flatten],
  ['reshape', [[3, 4]], (g, x) => reshape(g, x!, [2, 6])],
  ['sum', [[3, 4]], matrix.sum],
  ['rowScale', [weight(3, 4, 2, 2), [3]], matrix.rowScale],
  ['rowDot', [weight(3, 4), weight(3, 4)], matrix.rowDot],
  [
    'matmul',
    [
      [3, 4],
      [5, 4],
    ],
    (g, a, b) => matrix.matmul(g, a!, b!, false, true),
  ],
  ['maxPool', [[2, 2, 6, 7]], (g, x) => maxPool(g, x!, pool)],
  ['maxPool, ceil', [[2, 2, 6, 7]], (g, x) => maxPool(g, x!, { ...pool, pad: 0, ceil: true })],
  ['averagePool', [[2, 2, 6, 7]], (g, x) => averagePool(g, x!, { ...pool, kernel: 2, pad: 0 })],
  [
    'conv with bias',
    [image, weight(4, 3, 3, 3), [4]],
    (g, x, w, b) => conv(g, x!, w!, b!, { stride: 1, pad: 1, groups: 1 }),
  ],
  ...(
    [
      ['3x3 stride 2, odd side', 3, 5, 4, 3, 2, 1],
      ['3x3 stride 2, even side', 4, 6, 5, 3, 2, 1],
      ['7x7 stride 2', 3, 9, 4, 7, 2, 1],
      ['1x1', 3, 5, 4, 1, 1, 1],
      ['1x1 stride 2', 6, 4, 4, 1, 2, 1],
      ['grouped', 8, 5, 12, 3, 1, 4],
      ['grouped stride 2', 8, 6, 12, 3, 2, 4],
      ['depthwise', 5, 6, 5, 3, 1, 5],
      ['depthwise 5x5 stride 2', 5, 7, 5, 5, 2, 5],
      ['two filters a channel', 3, 6, 6, 3, 1, 3],
    ] as [string, number, number, number, number, number, number][]
  ).map(([name, cin, side, cout, k, stride, groups]): [string, Shape[], Build] => [
    `conv ${name}`,
    [[2, cin, side, side], weight(cout, cin / groups, k, k)],
    (graph, x, w) => conv(graph, x!, w!, null, { stride, pad: (k - 1) >> 1, groups }),
  ]),
];

test.each(['efficientnet_b0', 'densenet169', 'se_resnext101_32x4d'] as const)(
  'every operation that training %s takes has a rule',
  (arch) => {
    const { net, loss, gradients } = buildStep({ name: arch, arch, input: 64 }, 2, [2, 1, 1, 1, 1, 1]);
    const used = new Set(compile(net.graph, [loss, ...gradients]).steps.map(({ op }) => op.name));
    expect([...used].filter((name) => rules[name] === undefined)).toEqual([]);
  },
);

const model: ModelSpec = { name: 'small', arch: 'efficientnet', input: 32, width: 0.25, depth: 0.25 };
const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const plan: StepPlan = { model, batch: 4, parts: 1, classWeights: [2, 1, 1, 1, 1, 1], adamW };

/** Steps on reproducible images and masks, from initial weights. */
async function train(
  stepper: Stepper,
  { model, batch, parts }: StepPlan,
  steps: number,
): Promise<{ losses: number[]; vectors: Vectors }> {
  const { parameters, buffers, masks, maskLayout } = stepper;
  const weights = initialise(model, 1);
  const start: Vectors = {
    params: new Float32Array(parameters.length),
    m: new Float32Array(parameters.length),
    v: new Float32Array(parameters.length),
    buffers: new Float32Array(buffers.length),
  };
  pack(parameters, weights, start.params);
  pack(buffers, weights, start.buffers);
  await stepper.write(start);
  const losses: number[] = [];
  const random = createRandom(4);
  for (let call = 0; call < steps * parts; call++) {
    const drawn = new Float32Array(maskLayout.length);
    maskLayout.slots.forEach(({ start, end }, i) => {
      const { keep } = masks[i]!;
      for (let at = start; at < end; at++) drawn[at] = random.next() < keep ? 1 / keep : 0;
    });
    const x = normals(batch * 3 * model.input ** 2, 10 + call);
    const y = normals(batch * 6, 20 + call).map((value) => Number(value > 0));
    const host = (call + 1) % parts === 0 ? hostNumbers(adamW, 1e-4, (call + 1) / parts) : null;
    losses.push((await stepper.step({ x, y, masks: drawn, host }))[0]!);
  }
  const { params, m, v, buffers: running } = await stepper.read();
  return { losses, vectors: { params: params.slice(), m: m.slice(), v: v.slice(), buffers: running.slice() } };
}

describe.each(backends)('%s', (_name, tf, backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  test.each(operations)(
    '%s is what its definition says, forward and backward, and leaves nothing behind',
    (_, shapes, build) => {
      const { graph, output, gradients, feeds } = buildCase(shapes, build);
      const nodes = [output, ...gradients];
      const expected = interpret(graph, nodes, feeds);
      const before = tf.memory().numTensors;
      const inputs = graph.nodes.filter((node) => node.op.name === 'input');
      const given = new Map(
        inputs.map((node) => [node.id, fromShape(tf, node, feeds.get(node.attributes.name as string)!)]),
      );
      const values = run(tf, compile(graph, nodes), given);
      nodes.forEach((node, i) => {
        const what = i === 0 ? 'output' : `gradient ${i - 1}`;
        expect(worst(toShape(tf, node, values[i]!), expected[i]!), what).toBeLessThan(2e-6);
      });
      tf.dispose([...values, ...given.values()]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  describe('a step on both lowerings', () => {
    const onnx = async (plan: StepPlan): Promise<Stepper> =>
      createOnnxStepper(plan, { target: { rules: 'cpu', block: await blockSize() }, threads: 1 });

    it('agrees to 1e-4 of each gradient’s largest', async () => {
      const large = { ...plan, batch: 16 }; // Batch norm over a handful of values magnifies rounding.
      const [a, b] = [await onnx(large), createTfjsStepper(tf, large)];
      const [expected, actual] = [await train(a, large, 1), await train(b, large, 1)];
      expect(actual.losses[0]).toBeCloseTo(expected.losses[0]!, 5);
      // A shift before another batch norm has a gradient of 0, of which only rounding is left: beside it stands the largest.
      const overall = Math.max(...expected.vectors.m.map(Math.abs));
      for (const { name, start, end } of a.parameters.slots) {
        const [found, truth] = [actual.vectors.m.subarray(start, end), expected.vectors.m.subarray(start, end)];
        const difference = truth.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
        const largest = truth.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const scale = largest < 1e-3 * overall ? 1e-2 * overall : largest;
        expect(difference / scale, name).toBeLessThan(1e-4);
      }
      expect(worst(actual.vectors.buffers, expected.vectors.buffers)).toBeLessThan(1e-5);
      await a.close();
      await b.close();
    });

    it('keeps step with it over parts and updates, masks included, and leaves no tensor behind', async () => {
      const parts = { ...plan, parts: 2 };
      const before = tf.memory().numTensors;
      const [a, b] = [await onnx(parts), createTfjsStepper(tf, parts)];
      const [expected, actual] = [await train(a, parts, 2), await train(b, parts, 2)];
      // AdamW's first step has the sign of a gradient, be it rounding.
      expect(worst(actual.losses, expected.losses)).toBeLessThan(1e-3);
      expect(worst(actual.vectors.params, expected.vectors.params)).toBeLessThan(1e-3);
      await a.close();
      await b.close();
      expect(tf.memory().numTensors).toBe(before);
    });

    it('passes the check that a device must pass, and a lowering that is wrong does not', async () => {
      const small = { ...plan, model: { ...model, input: 32 } };
      expect(await disagreement(await onnx(small), createTfjsStepper(tf, small), small)).toBeNull();
      const right = createTfjsStepper(tf, small);
      const upsideDown: Stepper = { ...right, step: (input) => right.step({ ...input, x: input.x.slice().reverse() }) };
      expect(await disagreement(await onnx(small), upsideDown, small)).toMatch(/loss is|differs from the CPU's by/);
    });
  });

  test('predictions are those of the exported network, whatever the batch', async () => {
    const weights = initialise(model, 2);
    for (const [name, { data }] of weights) if (name.endsWith('running_var')) data.fill(0.1);
    const [ours, onnx] = [
      createTfjsPredictor(tf, model, weights),
      await createPredictor(exportOnnx(model, weights, {}), { threads: 1 }),
    ];
    const x = normals(3 * 3 * 32 * 32, 5);
    const expected = await onnx.predict(x, 3);
    expect(worst(await ours.predict(x, 3), expected)).toBeLessThan(1e-4);
    expect(worst(await ours.predict(x, 2), expected.subarray(0, 12))).toBeLessThan(1e-4);
    await ours.close();
    await onnx.close();
  });
});

test.runIf(!('problem' in installed))('device: tfjs trains and predicts as the CPU does', async () => {
  const [batch, side] = [8, 32];
  const [x, y] = [normals(batch * 3 * side ** 2, 1), normals(batch * 6, 2).map((value) => Number(value > 0))];
  const outcomes = [];
  for (const device of ['tfjs', 'cpu']) {
    const options = { model, batch, threads: 1, seed: 3, weightDecay: 0.01, classWeights: [2, 1, 1, 1, 1, 1], device };
    const trainer = await createTrainer(options);
    const { loss } = await trainer.step(x, y, { lr: 1e-4 });
    outcomes.push({ line: trainer.device, loss, logits: await trainer.predict(x, batch) });
    await trainer.close();
  }
  const [tfjs, cpu] = outcomes as [(typeof outcomes)[0], (typeof outcomes)[0]];
  expect(tfjs.line).toMatch(/^tfjs \(@tensorflow\/tfjs-node.*\), as asked for, and a step agrees with the CPU$/);
  expect(tfjs.loss).toBeCloseTo(cpu.loss, 4);
  expect(worst(tfjs.logits, cpu.logits)).toBeLessThan(1e-3);
});

test('where TensorFlow.js is not installed whole, the reason names the packages that were tried', async () => {
  const loaded = await loadTensorFlow();
  if ('problem' in loaded) {
    const why = '(is not installed|lacks its native part, or its libraries)';
    expect(loaded.problem).toMatch(new RegExp(`^@tensorflow/tfjs-node-gpu ${why}, @tensorflow/tfjs-node ${why}$`));
  } else expect(loaded.tf.getBackend()).toBe('tensorflow');
});
