// Rules in standard ONNX operators (and images as they are, NCHW): for exported files, which any runtime must read, and for
// devices without rules of their own. Nothing depends on the batch, so that an exported graph takes any.
import type { Node, Shape } from '../graph/graph.ts';
import { sizeOf } from '../graph/graph.ts';
import { constantValues } from '../ops/elementwise.ts';
import type { PoolAttributes } from '../ops/pool.ts';
import type { Lowering, Rules } from './lower.ts';
import { standardConv, standardConvInputGrad, standardConvWeightGrad } from './standardConvolution.ts';

/** Operations that do not look at the layout of an image. */
export const elementwiseRules: Rules = {
  add: (l, _node, xs) => l.emit('Add', xs),
  sub: (l, _node, xs) => l.emit('Sub', xs),
  mul: (l, _node, xs) => l.emit('Mul', xs),
  affine: (l, { attributes }, [x]) => {
    const { scale, shift } = attributes as { scale: number; shift: number };
    const scaled = scale === 1 ? x! : l.emit('Mul', [x!, l.floats([scale], [])]);
    return shift === 0 ? scaled : l.emit('Add', [scaled, l.floats([shift], [])]);
  },
  rsqrt: (l, { attributes }, [x]) => {
    const shifted = l.emit('Add', [x!, l.floats([attributes.epsilon as number], [])]);
    return l.emit('Reciprocal', [l.emit('Sqrt', [shifted])]);
  },
  sigmoid: (l, _node, xs) => l.emit('Sigmoid', xs),
  softplus: (l, _node, xs) => l.emit('Softplus', xs),
  relu: (l, _node, xs) => l.emit('Relu', xs),
  reluGrad: (l, _node, [dy, y]) => {
    const positive = l.emit('Greater', [y!, l.floats([0], [])]);
    return l.emit('Where', [positive, dy!, l.floats([0], [])]);
  },
  swish: (l, _node, [x]) => l.emit('Mul', [x!, l.emit('Sigmoid', [x!])]),
  swishGrad: (l, _node, [dy, x, y]) => {
    const rest = l.emit('Mul', [l.emit('Sigmoid', [x!]), l.emit('Sub', [l.floats([1], []), y!])]);
    return l.emit('Mul', [dy!, l.emit('Add', [rest, y!])]);
  },
  constant: (l, node) => l.floats(constantValues(node.attributes as { shape: Shape; values: number[] }), node.shape),

  matmul: (l, { attributes }, xs) => {
    const { transposeA, transposeB } = attributes as { transposeA: boolean; transposeB: boolean };
    if (!transposeA && !transposeB) return l.emit('MatMul', xs);
    return l.emit('Gemm', xs, { transA: Number(transposeA), transB: Number(transposeB) });
  },
  rowScale: (l, node, [x, s]) =>
    l.emit('Mul', [
      x!,
      l.reshape(
        s!,
        node.shape.map((n, i) => (i === 0 ? n : 1)),
      ),
    ]),
  rowDot: (l, node, [x, y]) => {
    const product = l.emit('Mul', [x!, y!]);
    const axes = node.inputs[0]!.shape.map((_, i) => i).slice(1);
    return axes.length === 0 ? product : l.emit('ReduceSum', [product, l.ints(axes)], { keepdims: 0 });
  },

  join: (l, _node, xs) => l.emit('Concat', xs, { axis: 0 }),
  cut: (l, { attributes }, [x]) => {
    const { start, end } = attributes as { start: number; end: number };
    return l.emit('Slice', [x!, l.ints([start]), l.ints([end]), l.ints([0])]);
  },
  reshape: (l, node, [x]) => l.reshape(x!, node.shape),
  sum: (l, _node, [x]) => l.emit('ReduceSum', [l.reshape(x!, [-1]), l.ints([0])], { keepdims: 1 }),
  fill: (l, node, [x]) => l.emit('Expand', [x!, l.ints(node.shape)]),
};

/** Images as (N,C,H,W). */
export const standardRules: Rules = {
  ...elementwiseRules,

  channelSum: (l, _node, [x]) => l.emit('ReduceSum', [x!, l.ints([0, 2, 3])], { keepdims: 0 }),
  channelDot: (l, _node, xs) => l.emit('ReduceSum', [l.emit('Mul', xs), l.ints([0, 2, 3])], { keepdims: 0 }),
  channelDeviation: (l, node, [x, m]) => {
    const centred = l.emit('Sub', [x!, l.reshape(m!, [1, node.shape[0]!, 1, 1])]);
    return l.emit('ReduceSum', [l.emit('Mul', [centred, centred]), l.ints([0, 2, 3])], { keepdims: 0 });
  },
  scaleShift: (l, node, [x, scale, shift]) => {
    const c = node.shape[1]!;
    const zeros = l.floats(new Float32Array(c), [c]);
    const ones = l.floats(new Float32Array(c).fill(1), [c]);
    return l.emit('BatchNormalization', [x!, scale!, shift!, zeros, ones], { epsilon: { float: 0 } });
  },
  channelScale: (l, node, [x, scale]) => l.emit('Mul', [x!, l.reshape(scale!, [1, node.shape[1]!, 1, 1])]),
  channelBroadcast: (l, node, [v]) => {
    return l.emit('Expand', [l.reshape(v!, [1, node.shape[1]!, 1, 1]), l.ints(node.shape)]);
  },
  spatialSum: (l, _node, [x]) => l.emit('ReduceSum', [x!, l.ints([2, 3])], { keepdims: 1 }),
  spatialDot: (l, _node, xs) => l.emit('ReduceSum', [l.emit('Mul', xs), l.ints([2, 3])], { keepdims: 1 }),
  gate: (l, _node, xs) => l.emit('Mul', xs),
  gateShift: (l, _node, [x, g, p]) => l.emit('Add', [l.emit('Mul', [x!, g!]), p!]),
  spatialBroadcast: (l, node, [v]) => l.emit('Expand', [v!, l.ints(node.shape)]),
  sampleScale: (l, node, [x, m]) => l.emit('Mul', [x!, l.reshape(m!, [node.shape[0]!, 1, 1, 1])]),

  conv: standardConv,
  convInputGrad: standardConvInputGrad,
  convWeightGrad: standardConvWeightGrad,

  flatten: (l, _node, [x]) => l.emit('Flatten', [x!]),
  unflatten: (l, node, [x]) => l.reshape(x!, node.shape),
  concat: (l, _node, xs) => l.emit('Concat', xs, { axis: 1 }),
  sliceChannels: (l, { attributes }, [x]) => {
    const { start, end } = attributes as { start: number; end: number };
    return l.emit('Slice', [x!, l.ints([start]), l.ints([end]), l.ints([1])]);
  },
  padChannels: (l, { attributes }, [x]) => {
    const { before, after } = attributes as { before: number; after: number };
    return l.emit('Pad', [x!, l.ints([0, before, 0, 0, 0, after, 0, 0])]);
  },

  maxPool: (l, node, [x]) => l.emit('MaxPool', [x!], poolAttributes(node)),
  maxPoolGrad: (l, node, [dy, x]) => {
    // The operator's second output is the place of each maximum in the flat input.
    const places = l.emitMany('MaxPool', [x!], 2, poolAttributes(node))[1]!;
    const zeros = l.emit('ConstantOfShape', [l.ints([sizeOf(node.shape)])]);
    const scattered = l.emit('ScatterElements', [zeros, l.reshape(places, [-1]), l.reshape(dy!, [-1])], {
      axis: 0,
      reduction: 'add',
    });
    return l.reshape(scattered, node.shape);
  },
  averagePool: (l, node, [x]) => l.emit('AveragePool', [x!], poolAttributes(node)),
  averagePoolGrad: lowerAveragePoolGrad,
};

/** For windows that tile the image: each value, divided, repeated over its window. */
function lowerAveragePoolGrad(l: Lowering, node: Node, [dy]: string[]): string {
  const { kernel, stride, pad, ceil } = node.attributes as unknown as PoolAttributes;
  if (kernel !== stride || pad !== 0 || ceil) throw new Error('averagePool: only tiling windows can be trained');
  const [n, c, h, w] = node.shape as [number, number, number, number];
  const [, , ho, wo] = node.inputs[0]!.shape as [number, number, number, number];
  const share = l.emit('Mul', [dy!, l.floats([1 / (kernel * kernel)], [])]);
  const open = l.reshape(share, [n * c, ho, 1, wo, 1]);
  const tiled = l.reshape(l.emit('Expand', [open, l.ints([n * c, ho, kernel, wo, kernel])]), [
    n,
    c,
    ho * kernel,
    wo * kernel,
  ]);
  const rest = [h - ho * kernel, w - wo * kernel];
  return rest.every((size) => size === 0) ? tiled : l.emit('Pad', [tiled, l.ints([0, 0, 0, 0, 0, 0, ...rest])]);
}

function poolAttributes(node: Node) {
  const { kernel, stride, pad, ceil } = node.attributes as unknown as PoolAttributes;
  return {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    ceil_mode: Number(ceil),
  };
}
