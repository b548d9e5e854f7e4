// From the graph to ONNX operators for the CPU provider of ONNX Runtime: one rule an operation. In a training graph the
// contrib operators of onnxruntime are used where they save a pass; an inference graph keeps to standard ONNX, so that any
// runtime reads the exported file and can do its own fusing.
import { type Graph, type Node, reachable, type Shape, sizeOf } from '../graph/graph.ts';
import { constantValues } from '../ops/elementwise.ts';
import type { PoolAttributes } from '../ops/pool.ts';
import { lowerConv, lowerConvInputGrad, lowerConvWeightGrad } from './convolution.ts';
import type { Emitter } from './emitter.ts';

export interface LoweringOptions {
  readonly training: boolean;
  /** Channels a block of the runtime's blocked layout on this processor; 1: there is none. See `probe.ts`. */
  readonly block: number;
}

export interface Lowering extends LoweringOptions {
  readonly emit: Emitter['emit'];
  readonly emitMany: Emitter['emitMany'];
  readonly ints: Emitter['ints'];
  readonly floats: Emitter['floats'];
  reshape(x: string, shape: readonly number[]): string;
}

type Rule = (l: Lowering, node: Node, inputs: string[]) => string;

/**
 * Adds the nodes that compute `outputs` to the emitter and returns their names. `given` holds the names of nodes that exist
 * already: the graph's inputs, and constants.
 */
export function lower(
  graph: Graph,
  outputs: readonly Node[],
  emitter: Emitter,
  given: ReadonlyMap<number, string>,
  options: LoweringOptions,
): string[] {
  const names = new Map(given);
  const l: Lowering = {
    ...options,
    emit: emitter.emit,
    emitMany: emitter.emitMany,
    ints: emitter.ints,
    floats: emitter.floats,
    reshape: (x, shape) => emitter.emit('Reshape', [x, emitter.ints(shape)]),
  };
  for (const node of reachableFrom(graph, outputs, given)) {
    const rule = rules[node.op.name];
    if (rule === undefined) throw new Error(`internal error: no ONNX rule for the operation "${node.op.name}"`);
    names.set(
      node.id,
      rule(
        l,
        node,
        node.inputs.map((input) => names.get(input.id)!),
      ),
    );
  }
  return outputs.map((node) => names.get(node.id)!);
}

/** Nodes needed for `outputs`, without those given and what only they need. */
function reachableFrom(graph: Graph, outputs: readonly Node[], given: ReadonlyMap<number, string>): Node[] {
  if (given.size === 0) return reachable(graph, outputs);
  const needed = new Set<number>();
  const pending = [...outputs];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (needed.has(node.id) || given.has(node.id)) continue;
    needed.add(node.id);
    pending.push(...node.inputs);
  }
  return graph.nodes.filter((node) => needed.has(node.id));
}

/** Where a plane has at least this many pixels, a dot product by matrix multiplication beats multiply and reduce. */
const DOT_PIXELS = 64;

const rules: Readonly<Record<string, Rule>> = {
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
  swish: (l, _node, [x]) => {
    if (l.training) return l.emit('QuickGelu', [x!], { alpha: { float: 1 } }, 'com.microsoft');
    return l.emit('Mul', [x!, l.emit('Sigmoid', [x!])]);
  },
  swishGrad: (l, _node, [dy, x]) => {
    // s + x·s·(1 - s), with y = x·s: y + s·(1 - y).
    const s = l.emit('Sigmoid', [x!]);
    const y = l.emit('Mul', [x!, s]);
    const rest = l.emit('Mul', [s, l.emit('Sub', [l.floats([1], []), y])]);
    return l.emit('Mul', [dy!, l.emit('Add', [y, rest])]);
  },
  constant: (l, node) => l.floats(constantValues(node.attributes as { shape: Shape; values: number[] }), node.shape),

  channelSum: (l, _node, [x]) => l.emit('ReduceSum', [x!, l.ints([0, 2, 3])], { keepdims: 0 }),
  channelDot: (l, node, [x, y]) => channelDot(l, node.inputs[0]!.shape, x!, y!),
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
  spatialDot: (l, node, [x, y]) => {
    const shape = node.inputs[0]!.shape;
    return l.reshape(planeDots(l, shape, x!, y!), node.shape);
  },
  gate: (l, _node, xs) => l.emit('Mul', xs),
  spatialBroadcast: (l, node, [v]) => l.emit('Expand', [v!, l.ints(node.shape)]),
  sampleScale: (l, node, [x, m]) => l.emit('Mul', [x!, l.reshape(m!, [node.shape[0]!, 1, 1, 1])]),

  conv: lowerConv,
  convInputGrad: lowerConvInputGrad,
  convWeightGrad: lowerConvWeightGrad,

  matmul: (l, { attributes }, xs) => {
    const { transposeA, transposeB } = attributes as { transposeA: boolean; transposeB: boolean };
    if (!transposeA && !transposeB) return l.emit('MatMul', xs);
    return l.emit('FusedMatMul', xs, { transA: Number(transposeA), transB: Number(transposeB) }, 'com.microsoft');
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

  reshape: (l, node, [x]) => (l.training ? l.reshape(x!, node.shape) : l.reshape(x!, [-1, ...node.shape.slice(1)])),
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

/** Σ x·y over each plane: (N,C,H,W)² → (N·C,1,1) or (N,C,1,1). */
function planeDots(l: Lowering, shape: Shape, x: string, y: string): string {
  const [n, c, h, w] = shape as [number, number, number, number];
  if (h * w < DOT_PIXELS) return l.emit('ReduceSum', [l.emit('Mul', [x, y]), l.ints([2, 3])], { keepdims: 1 });
  const rows = (t: string): string => l.reshape(t, [n * c, 1, h * w]);
  const a = rows(x);
  return l.emit('FusedMatMul', [a, x === y ? a : rows(y)], { transB: 1 }, 'com.microsoft');
}

function channelDot(l: Lowering, shape: Shape, x: string, y: string): string {
  const [n, c, h, w] = shape as [number, number, number, number];
  if (h * w < DOT_PIXELS) return l.emit('ReduceSum', [l.emit('Mul', [x, y]), l.ints([0, 2, 3])], { keepdims: 0 });
  const planes = l.reshape(planeDots(l, shape, x, y), [n, c]);
  return l.emit('ReduceSum', [planes, l.ints([0])], { keepdims: 0 });
}
