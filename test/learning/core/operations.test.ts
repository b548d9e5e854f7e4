// Every operation: its gradient against central differences of its float64 definition, and its lowerings, forward and
// backward, against the definition, in every layout that its batch allows.
import { describe, expect, it } from 'vitest';
import { type Graph, type Node, type Shape, sizeOf } from '../../../tasks/learning/graph/graph.ts';
import { interpret } from '../../../tasks/learning/graph/interpret.ts';
import { blockSize } from '../../../tasks/learning/onnx/probe.ts';
import * as channel from '../../../tasks/learning/ops/channel.ts';
import { conv, convWeightGrad, POINTWISE } from '../../../tasks/learning/ops/convolution.ts';
import * as elementwise from '../../../tasks/learning/ops/elementwise.ts';
import * as matrix from '../../../tasks/learning/ops/matrix.ts';
import { averagePool, maxPool } from '../../../tasks/learning/ops/pool.ts';
import { concat, flatten, join, reshape, sliceChannels } from '../../../tasks/learning/ops/shape.ts';
import { buildCase, type How, runLowered, weight, worst } from './rig.ts';

type Build = (graph: Graph, ...xs: Node[]) => Node;
type Case = [name: string, shapes: Shape[], build: Build];

const image: Shape = [2, 3, 4, 5];
const large: Shape = [2, 3, 9, 8];
const sixteen: Shape = [16, 3, 4, 2];
const sixteenLarge: Shape = [16, 3, 9, 8];
const positive = (graph: Graph, x: Node): Node => elementwise.affine(graph, elementwise.mul(graph, x, x), 1, 0.5);

const pointwise: Case[] = [
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
];

/** Operations on planes and channels, for planes below and above the sizes where algorithms change, and for lanes. */
const channelwise: Case[] = [image, large, sixteen, sixteenLarge].flatMap((shape) => {
  const [n, c] = shape as [number, number];
  return [
    [`channelSum of [${shape}]`, [shape], channel.channelSum],
    [`channelDot of [${shape}]`, [shape, shape], channel.channelDot],
    [`channelDot with itself of [${shape}]`, [shape], (g, x) => channel.channelDot(g, x, x)],
    [
      `channelDeviation of [${shape}]`,
      [shape],
      (g, x) => {
        const mean = elementwise.affine(g, channel.channelSum(g, x!), c / sizeOf(shape), 0);
        return channel.channelDeviation(g, x!, mean);
      },
    ],
    [`Gram matrix of [${shape}]`, [shape], (g, x) => convWeightGrad(g, x!, x!, [c, c, 1, 1], POINTWISE)],
    [`scaleShift of [${shape}]`, [shape, [c], [c]], channel.scaleShift],
    [`channelScale of [${shape}]`, [shape, [c]], channel.channelScale],
    [`channelBroadcast to [${shape}]`, [[c]], (g, v) => channel.channelBroadcast(g, v, shape)],
    [`spatialSum of [${shape}]`, [shape], channel.spatialSum],
    [`spatialDot of [${shape}]`, [shape, shape], channel.spatialDot],
    [`gate of [${shape}]`, [shape, [n, c, 1, 1]], channel.gate],
    [`gateShift of [${shape}]`, [shape, [n, c, 1, 1], [n, c, 1, 1]], channel.gateShift],
    [`spatialBroadcast to [${shape}]`, [[n, c, 1, 1]], (g, v) => channel.spatialBroadcast(g, v, shape)],
    [`concat of [${shape}]`, [shape, [n, 2, shape[2]!, shape[3]!]], (g, a, b) => concat(g, [a!, b!])],
    [`sliceChannels of [${shape}]`, [shape], (g, x) => sliceChannels(g, x, 1, 3)],
  ] as Case[];
});

/** [what, batch and channels in, side, channels out, kernel, stride, groups] */
const convolutions: Case[] = (
  [
    ['3x3', 2, 3, 5, 4, 3, 1, 1],
    ['3x3 of more channels', 2, 8, 5, 6, 3, 1, 1],
    ['3x3, lanes', 16, 6, 5, 4, 3, 1, 1],
    ['3x3 stride 2, odd side', 2, 3, 5, 4, 3, 2, 1],
    ['3x3 stride 2, even side', 2, 8, 6, 4, 3, 2, 1],
    ['stem, lanes', 16, 3, 6, 4, 3, 2, 1],
    ['7x7 stride 2', 1, 3, 16, 4, 7, 2, 1],
    ['1x1, few pixels', 2, 24, 2, 16, 1, 1, 1],
    ['1x1, many pixels', 2, 3, 8, 4, 1, 1, 1],
    ['1x1, lanes', 16, 3, 2, 4, 1, 1, 1],
    ['1x1 stride 2', 2, 6, 4, 4, 1, 2, 1],
    ['1x1 stride 2, odd side', 2, 6, 5, 4, 1, 2, 1],
    ['grouped', 2, 8, 5, 12, 3, 1, 4],
    ['grouped stride 2', 2, 8, 6, 12, 3, 2, 4],
    ['3x3 in blocks', 2, 32, 3, 16, 3, 1, 1],
    ['3x3 in blocks, more channels out', 2, 16, 3, 32, 3, 1, 1],
    ['grouped in blocks', 2, 32, 4, 32, 3, 1, 2],
    ['grouped in half blocks', 2, 16, 4, 16, 3, 1, 2],
    ['grouped in half blocks, stride 2, even side', 2, 32, 6, 32, 3, 2, 4],
    ['grouped in half blocks, stride 2', 2, 32, 5, 32, 3, 2, 4],
    ['depthwise, few channels', 2, 3, 5, 3, 3, 1, 3],
    ['depthwise', 2, 16, 6, 16, 3, 1, 16],
    ['depthwise 5x5', 2, 32, 7, 32, 5, 1, 32],
    ['depthwise stride 2, even side', 2, 16, 8, 16, 3, 2, 16],
    ['depthwise 5x5 stride 2, even side', 2, 16, 8, 16, 5, 2, 16],
    ['depthwise stride 2, odd side', 2, 16, 7, 16, 3, 2, 16],
    ['depthwise 5x5 on one pixel', 3, 16, 1, 16, 5, 1, 16],
    ['depthwise 5x5 stride 2, two pixels', 3, 16, 2, 16, 5, 2, 16],
    ['depthwise, lanes', 16, 3, 5, 3, 3, 1, 3],
    ['depthwise, twice the lanes', 32, 2, 4, 2, 3, 1, 2],
    ['depthwise 5x5 stride 2, lanes', 16, 3, 6, 3, 5, 2, 3],
    ['depthwise 3x3 stride 2, odd side, lanes', 16, 2, 7, 2, 3, 2, 2],
  ] as [string, number, number, number, number, number, number, number][]
).map(([name, n, cin, side, cout, k, stride, groups]) => [
  `conv ${name}`,
  [[n, cin, side, side], weight(cout, cin / groups, k, k)],
  (graph, x, w) => conv(graph, x!, w!, null, { stride, pad: (k - 1) >> 1, groups }),
]);

const others: Case[] = [
  [
    'conv with bias, not square',
    [image, weight(4, 3, 3, 3), [4]],
    (g, x, w, b) => conv(g, x!, w!, b!, { stride: 1, pad: 1, groups: 1 }),
  ],
  [
    'convWeightGrad at a stride',
    [
      [2, 3, 6, 6],
      [2, 4, 3, 3],
    ],
    (g, x, dy) => convWeightGrad(g, x!, dy!, [4, 3, 3, 3], { stride: 2, pad: 1, groups: 1 }),
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
  ['rowScale', [weight(3, 4, 2, 2), [3]], matrix.rowScale],
  [
    'rowDot',
    [
      [3, 4],
      [3, 4],
    ],
    matrix.rowDot,
  ],
  ['sum', [[3, 4]], matrix.sum],
  ['reshape', [[3, 4]], (g, x) => reshape(g, x!, [2, 6])],
  ['join', [[3], [2]], (g, a, b) => join(g, [a!, b!])],
  ['flatten', [[2, 3, 1, 1]], flatten],
  ['maxPool', [[2, 2, 6, 7]], (g, x) => maxPool(g, x!, { kernel: 3, stride: 2, pad: 1, ceil: false })],
  ['maxPool, ceil', [[2, 2, 6, 7]], (g, x) => maxPool(g, x!, { kernel: 3, stride: 2, pad: 0, ceil: true })],
  ['averagePool', [[2, 2, 6, 7]], (g, x) => averagePool(g, x!, { kernel: 2, stride: 2, pad: 0, ceil: false })],
  [
    'averagePool, tiled whole',
    [[2, 2, 6, 8]],
    (g, x) => averagePool(g, x!, { kernel: 2, stride: 2, pad: 0, ceil: false }),
  ],
];

async function waysFor(name: string, shapes: readonly Shape[]): Promise<[string, How][]> {
  const block = await blockSize();
  const ways: [string, How][] = [
    ['standard', 'standard'],
    ['cpu', { lanes: 1, block }],
    ['cpu without blocks', { lanes: 1, block: 1 }],
  ];
  const batch = shapes.find((shape) => shape.length === 4 && !('weight' in shape))?.[0] ?? 1;
  if (block > 1 && batch % block === 0 && !name.includes('Pool')) ways.push(['cpu in lanes', { lanes: block, block }]);
  return ways;
}

describe.each([...pointwise, ...channelwise, ...convolutions, ...others])('%s', (name, shapes, build) => {
  it('has the gradient that finite differences give', () => {
    const { graph, inputs, output, gradients, feeds } = buildCase(shapes, build);
    const analytic = interpret(graph, gradients, feeds);
    const seed = feeds.get('seed')!;
    const step = 1e-5;
    inputs.forEach((_, i) => {
      const values = Float64Array.from(feeds.get(`x${i}`)!);
      const at = (j: number, delta: number): number => {
        const moved = values.slice();
        moved[j]! += delta;
        const value = interpret(graph, [output], new Map<string, ArrayLike<number>>(feeds).set(`x${i}`, moved))[0]!;
        return value.reduce((sum, y, k) => sum + y * seed[k]!, 0);
      };
      const stride = Math.max(1, Math.floor(values.length / 10));
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
    for (const [way, how] of await waysFor(name, shapes)) {
      const actual = await runLowered(graph, nodes, feeds, how);
      nodes.forEach((node, i) => {
        const what = `${way}: ${i === 0 ? 'output' : `gradient ${i - 1}`} of ${sizeOf(node.shape)} values`;
        expect(worst(actual[i]!, expected[i]!), what).toBeLessThan(2e-6);
      });
    }
  });
});
