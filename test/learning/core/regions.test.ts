// Channel-wise regions: what is put together, what is kept, and that the result is the same for any size of a turn.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGraph, type Graph, type Node, reachable, sizeOf } from '../../../tasks/learning/graph/graph.ts';
import { interpret } from '../../../tasks/learning/graph/interpret.ts';
import { batchNorm, squeezeExcite } from '../../../tasks/learning/models/layers.ts';
import { createNetwork } from '../../../tasks/learning/models/network.ts';
import { blockSize } from '../../../tasks/learning/onnx/probe.ts';
import { planUnits } from '../../../tasks/learning/onnx/regions.ts';
import * as channel from '../../../tasks/learning/ops/channel.ts';
import { conv } from '../../../tasks/learning/ops/convolution.ts';
import { add, affine, mul, swish } from '../../../tasks/learning/ops/elementwise.ts';
import { differentiate } from '../../../tasks/learning/ops/gradient.ts';
import { input } from '../../../tasks/learning/ops/shape.ts';
import { normals, runLowered, worst } from './rig.ts';

const BATCH = 16;

/** Pointwise, norm, swish, depthwise, norm, swish, squeeze-and-excite, pointwise: a block of EfficientNet, and its gradients. */
function block(): { graph: Graph; outputs: Node[] } {
  const net = createNetwork('train', { epsilon: 1e-3, momentum: 0.1 });
  const { graph } = net;
  const x = input(graph, 'x', 'data', [BATCH, 4, 6, 6]);
  const weights = [
    input(graph, 'expand', 'parameter', [12, 4, 1, 1]),
    input(graph, 'depthwise', 'parameter', [12, 1, 3, 3]),
    input(graph, 'project', 'parameter', [4, 12, 1, 1]),
  ] as const;
  const plain = { stride: 1, pad: 0, groups: 1 };
  let y = swish(graph, batchNorm(net, 'a', conv(graph, x, weights[0], null, plain)));
  y = conv(graph, y, weights[1], null, { stride: 2, pad: 1, groups: 12 });
  y = squeezeExcite(net, 'se', swish(graph, batchNorm(net, 'b', y)), { squeezed: 3, activation: swish });
  y = conv(graph, y, weights[2], null, plain);
  const parameters = [...weights, ...net.parameters.map((parameter) => parameter.node)];
  const seed = input(graph, 'seed', 'data', y.shape);
  return { graph, outputs: [y, ...differentiate(graph, y, seed, [x, ...parameters])] };
}

function feedsOf(graph: Graph): Map<string, Float32Array> {
  const inputs = graph.nodes.filter((node) => node.op.name === 'input');
  return new Map(inputs.map((node, i) => [node.attributes.name as string, normals(sizeOf(node.shape), i + 1)]));
}

describe('a block of EfficientNet', () => {
  it('keeps what products and depthwise convolutions made, and computes the rest again in the backward regions', () => {
    const { graph, outputs } = block();
    const nodes = reachable(graph, outputs).filter((node) => node.op.name !== 'input');
    const touches = (node: Node): boolean => [node, ...node.inputs].some(({ shape }) => sizeOf(shape) > BATCH * 12);
    const units = planUnits(nodes, outputs, (group) => group.some(touches));
    const regions = units.flatMap((unit) => ('region' in unit ? [unit.region] : []));
    const kept = regions.map(({ outputs }) => outputs.filter((node) => sizeOf(node.shape) > BATCH * 12));
    expect(regions.map(({ channels }) => channels)).toEqual([12, 12, 12]);
    // Up to the squeeze; the gate, forward and backward; everything down to the first product's gradient.
    expect(kept.map((nodes) => nodes.map((node) => node.op.name))).toEqual([['conv'], ['gate'], ['add']]);
  });

  it.each([1, 500, 2000])('is the same in turns of %i values', async (chunk) => {
    const { graph, outputs } = block();
    const feeds = feedsOf(graph);
    const expected = interpret(graph, outputs, feeds);
    for (const lanes of [1, await blockSize()]) {
      const actual = await runLowered(graph, outputs, feeds, { lanes, block: await blockSize(), chunk });
      outputs.forEach((_, i) => {
        expect(worst(actual[i]!, expected[i]!), `output ${i}, lanes ${lanes}`).toBeLessThan(2e-5);
      });
    }
  });
});

/** A random graph of channel-wise operations and mixing products over images of one shape. */
function randomGraph(choices: readonly number[]): { graph: Graph; outputs: Node[] } {
  const graph = createGraph();
  const shape = [2, 4, 3, 3];
  const images: Node[] = [input(graph, 'x0', 'data', shape), input(graph, 'x1', 'data', shape)];
  const vectors: Node[] = [input(graph, 'v0', 'parameter', [4])];
  const w = input(graph, 'w', 'parameter', [4, 4, 1, 1]);
  const d = input(graph, 'd', 'parameter', [4, 1, 3, 3]);
  const m = input(graph, 'm', 'data', [2]);
  for (const choice of choices) {
    const image = (k: number): Node => images[(choice * k) % images.length]!;
    const vector = (k: number): Node => vectors[(choice * k) % vectors.length]!;
    const [a, b, v] = [image(7), image(13), vector(5)];
    const kind = choice % 12;
    if (kind === 0) images.push(add(graph, a, b));
    else if (kind === 1) images.push(mul(graph, a, affine(graph, b, 0.3, 0.1)));
    else if (kind === 2) images.push(swish(graph, a));
    else if (kind === 3) images.push(channel.scaleShift(graph, a, v, vector(11)));
    else if (kind === 4) images.push(conv(graph, a, w, null, { stride: 1, pad: 0, groups: 1 }));
    else if (kind === 5) images.push(conv(graph, a, d, null, { stride: 1, pad: 1, groups: 4 }));
    else if (kind === 6) vectors.push(affine(graph, channel.channelSum(graph, a), 1 / 18, 0));
    else if (kind === 7) vectors.push(affine(graph, channel.channelDot(graph, a, b), 1 / 18, 0));
    else if (kind === 8) vectors.push(mul(graph, v, vector(3)));
    else if (kind === 9) images.push(channel.gate(graph, a, affine(graph, channel.spatialSum(graph, b), 1 / 9, 0)));
    else if (kind === 10) images.push(channel.sampleScale(graph, a, m));
    else images.push(channel.channelBroadcast(graph, v, shape));
  }
  return { graph, outputs: [images.at(-1)!, vectors.at(-1)!, images[images.length >> 1]!] };
}

it('random graphs come out the same in regions as by definition', async () => {
  const block = await blockSize();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(1 << 20), { minLength: 4, maxLength: 24 }), async (choices) => {
      const { graph, outputs } = randomGraph(choices);
      const feeds = feedsOf(graph);
      for (const node of graph.nodes) {
        const name = node.attributes.name as string;
        if (node.op.name === 'input')
          feeds.set(
            name,
            feeds.get(name)!.map((value) => 0.5 * value),
          );
      }
      const expected = interpret(graph, outputs, feeds);
      if (expected.some((values) => values.some((value) => Math.abs(value) > 1e4))) return;
      const actual = await runLowered(graph, outputs, feeds, { lanes: 1, block, chunk: 1 });
      outputs.forEach((_, i) => {
        expect(worst(actual[i]!, expected[i]!)).toBeLessThan(1e-4);
      });
    }),
    { numRuns: 40, seed: 7 },
  );
});
