// Every operation: its gradient against central differences of its float64 definition, and its lowering, forward and
// backward, against the definition.
import { describe, expect, it } from 'vitest';
import type { Graph, Node, Shape } from '../../../tasks/learning/graph/graph.ts';
import { interpret } from '../../../tasks/learning/graph/interpret.ts';
import * as channel from '../../../tasks/learning/ops/channel.ts';
import { conv } from '../../../tasks/learning/ops/convolution.ts';
import * as elementwise from '../../../tasks/learning/ops/elementwise.ts';
import * as matrix from '../../../tasks/learning/ops/matrix.ts';
import { averagePool, maxPool } from '../../../tasks/learning/ops/pool.ts';
import { concat, reshape, sliceChannels } from '../../../tasks/learning/ops/shape.ts';
import { buildCase, runLowered, worst } from './rig.ts';

type Build = (graph: Graph, ...xs: Node[]) => Node;
const image: Shape = [2, 3, 4, 5];
const large: Shape = [2, 3, 9, 8];
const positive = (graph: Graph, x: Node): Node => elementwise.affine(graph, elementwise.mul(graph, x, x), 1, 0.5);

const cases: [string, Shape[], Build][] = [
  ['add', [image, image], elementwise.add],
  ['sub', [image, image], elementwise.sub],
  ['mul', [image, image], elementwise.mul],
  ['mul by itself', [image], (g, x) => elementwise.mul(g, x, x)],
  ['affine', [image], (g, x) => elementwise.affine(g, x, 1.5, -0.25)],
  ['rsqrt', [image], (g, x) => elementwise.rsqrt(g, positive(g, x), 1e-3)],
  ['sigmoid', [image], elementwise.sigmoid],
  ['softplus', [image], elementwise.softplus],
  ['swish', [image], elementwise.swish],
  ['relu', [image], elementwise.relu],
  ['channelSum', [image], channel.channelSum],
  ['channelDot', [image, image], channel.channelDot],
  ['channelDot on large planes', [large, large], channel.channelDot],
  ['channelDot with itself', [large], (g, x) => channel.channelDot(g, x, x)],
  ['scaleShift', [image, [3], [3]], channel.scaleShift],
  ['channelScale', [image, [3]], channel.channelScale],
  ['channelBroadcast', [[3]], (g, v) => channel.channelBroadcast(g, v, image)],
  ['spatialSum', [image], channel.spatialSum],
  ['spatialDot', [image, image], channel.spatialDot],
  ['spatialDot on large planes', [large, large], channel.spatialDot],
  ['gate', [image, [2, 3, 1, 1]], channel.gate],
  ['spatialBroadcast', [[2, 3, 1, 1]], (g, v) => channel.spatialBroadcast(g, v, image)],
  ['conv 3x3', [image, [4, 3, 3, 3]], convolution(1, 1, 1)],
  ['conv 3x3 with bias', [image, [4, 3, 3, 3], [4]], convolution(1, 1, 1)],
  [
    'conv 3x3 stride 2, odd side',
    [
      [2, 3, 5, 5],
      [4, 3, 3, 3],
    ],
    convolution(2, 1, 1),
  ],
  [
    'conv 3x3 stride 2, even side',
    [
      [2, 3, 6, 6],
      [4, 3, 3, 3],
    ],
    convolution(2, 1, 1),
  ],
  [
    'conv 7x7 stride 2',
    [
      [1, 3, 16, 16],
      [4, 3, 7, 7],
    ],
    convolution(2, 3, 1),
  ],
  [
    'conv 1x1, few pixels',
    [
      [2, 24, 2, 2],
      [16, 24, 1, 1],
    ],
    convolution(1, 0, 1),
  ],
  [
    'conv 1x1, many pixels',
    [
      [2, 3, 8, 8],
      [4, 3, 1, 1],
    ],
    convolution(1, 0, 1),
  ],
  ['conv 1x1 stride 2', [image, [4, 3, 1, 1]], convolution(2, 0, 1)],
  [
    'conv grouped',
    [
      [2, 8, 5, 5],
      [12, 2, 3, 3],
    ],
    convolution(1, 1, 4),
  ],
  [
    'conv grouped stride 2',
    [
      [2, 8, 6, 6],
      [12, 2, 3, 3],
    ],
    convolution(2, 1, 4),
  ],
  [
    'conv depthwise, few channels',
    [
      [2, 3, 5, 5],
      [3, 1, 3, 3],
    ],
    convolution(1, 1, 3),
  ],
  [
    'conv depthwise',
    [
      [2, 16, 6, 5],
      [16, 1, 3, 3],
    ],
    convolution(1, 1, 16),
  ],
  [
    'conv depthwise 5x5',
    [
      [2, 32, 7, 7],
      [32, 1, 5, 5],
    ],
    convolution(1, 2, 32),
  ],
  [
    'conv depthwise stride 2, even side',
    [
      [2, 16, 8, 6],
      [16, 1, 3, 3],
    ],
    convolution(2, 1, 16),
  ],
  [
    'conv depthwise 5x5 stride 2, even side',
    [
      [2, 16, 8, 8],
      [16, 1, 5, 5],
    ],
    convolution(2, 2, 16),
  ],
  [
    'conv depthwise stride 2, odd side',
    [
      [2, 16, 7, 7],
      [16, 1, 3, 3],
    ],
    convolution(2, 1, 16),
  ],
  [
    'conv depthwise 5x5 on one pixel',
    [
      [3, 16, 1, 1],
      [16, 1, 5, 5],
    ],
    convolution(1, 2, 16),
  ],
  [
    'conv depthwise 5x5 stride 2, two pixels',
    [
      [3, 16, 2, 2],
      [16, 1, 5, 5],
    ],
    convolution(2, 2, 16),
  ],
  [
    'matmul',
    [
      [3, 4],
      [4, 5],
    ],
    (g, a, b) => matrix.matmul(g, a!, b!),
  ],
  [
    'matmul, a transposed',
    [
      [4, 3],
      [4, 5],
    ],
    (g, a, b) => matrix.matmul(g, a!, b!, true, false),
  ],
  [
    'matmul, b transposed',
    [
      [3, 4],
      [5, 4],
    ],
    (g, a, b) => matrix.matmul(g, a!, b!, false, true),
  ],
  [
    'matmul, both transposed',
    [
      [4, 3],
      [5, 4],
    ],
    (g, a, b) => matrix.matmul(g, a!, b!, true, true),
  ],
  ['rowScale', [[3, 4, 2, 2], [3]], matrix.rowScale],
  [
    'rowDot',
    [
      [3, 4],
      [3, 4],
    ],
    matrix.rowDot,
  ],
  ['reshape', [image], (g, x) => reshape(g, x, [6, 20])],
  ['concat', [image, [2, 2, 4, 5]], (g, a, b) => concat(g, [a!, b!])],
  ['sliceChannels', [image], (g, x) => sliceChannels(g, x, 1, 3)],
  ['maxPool', [[2, 2, 6, 7]], (g, x) => maxPool(g, x, { kernel: 3, stride: 2, pad: 1, ceil: false })],
  ['maxPool, ceil', [[2, 2, 6, 7]], (g, x) => maxPool(g, x, { kernel: 3, stride: 2, pad: 0, ceil: true })],
  ['averagePool', [[2, 2, 6, 7]], (g, x) => averagePool(g, x, { kernel: 2, stride: 2, pad: 0, ceil: false })],
] as [string, Shape[], Build][];

function convolution(stride: number, pad: number, groups: number): Build {
  return (graph, x, w, bias) => conv(graph, x!, w!, bias ?? null, { stride, pad, groups });
}

describe.each(cases)('%s', (_name, shapes, build) => {
  it('has the gradient that finite differences give', () => {
    const { graph, inputs, loss, gradients, feeds } = buildCase(shapes, build);
    const analytic = interpret(graph, gradients, feeds);
    const step = 1e-5;
    inputs.forEach((_, i) => {
      const values = Float64Array.from(feeds.get(`x${i}`)!);
      const at = (j: number, delta: number): number => {
        const moved = values.slice();
        moved[j]! += delta;
        return interpret(graph, [loss], new Map<string, ArrayLike<number>>(feeds).set(`x${i}`, moved))[0]![0]!;
      };
      const stride = Math.max(1, Math.floor(values.length / 12));
      const probes = Array.from({ length: values.length }, (_, j) => j).filter((j) => j % stride === 0);
      const numeric = probes.map((j) => (at(j, step) - at(j, -step)) / (2 * step));
      const expected = probes.map((j) => analytic[i]![j]!);
      expect(worst(numeric, expected), `gradient of input ${i}`).toBeLessThan(1e-6);
    });
  });

  it('is lowered to what its definition says, forward and backward', async () => {
    const { graph, output, gradients, feeds } = buildCase(shapes, build);
    const nodes = [output, ...gradients];
    const expected = interpret(graph, nodes, feeds);
    const actual = await runLowered(graph, nodes, feeds);
    nodes.forEach((_, i) => {
      expect(worst(actual[i]!, expected[i]!), i === 0 ? 'output' : `gradient ${i - 1}`).toBeLessThan(2e-6);
    });
  });
});

it('a depthwise convolution without the blocked layout gives the same', async () => {
  const { graph, output, gradients, feeds } = buildCase(
    [
      [2, 16, 8, 6],
      [16, 1, 3, 3],
    ],
    convolution(2, 1, 16),
  );
  const nodes = [output, ...gradients];
  const expected = interpret(graph, nodes, feeds);
  const actual = await runLowered(graph, nodes, feeds, 1);
  nodes.forEach((_, i) => {
    expect(worst(actual[i]!, expected[i]!)).toBeLessThan(2e-6);
  });
});
