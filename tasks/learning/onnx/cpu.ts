// Rules for training on ONNX Runtime's CPU provider: images as rows of channels (see cpuLayout.ts), and the runtime's own
// operators where they save a pass over memory.
import type { Node, Shape } from '../graph/graph.ts';
import { POINTWISE } from '../ops/convolution.ts';
import type { PoolAttributes } from '../ops/pool.ts';
import { NCHWC } from './cpuBlocked.ts';
import { cpuConvolutions } from './cpuConvolution.ts';
import { type CpuLayout, fromImages, planes, points, sidesOf, toImages } from './cpuLayout.ts';
import { scaleChannels, scalePlanes, scalesInBlocks } from './cpuScale.ts';
import type { Lowering, Rules } from './lower.ts';
import { elementwiseRules, standardRules } from './standard.ts';
import { convAttributes } from './standardConvolution.ts';

const isImage = (node: Node): boolean => node.shape.length === 4;

/** The rules for one layout. An image is a matrix (C, N·H·W) between rules; everything else is as its shape says. */
export function cpuRules(layout: CpuLayout): Rules {
  const rows = (node: Node): [number, number] => [sidesOf(node.shape, layout).c, sidesOf(node.shape, layout).columns];
  return {
    ...elementwiseRules,
    swish: (l, _node, [x]) => l.emit('QuickGelu', [x!], { alpha: { float: 1 } }, 'com.microsoft'),

    reluGrad: (l, _node, [dy, y]) => {
      // 0 or 1 in one pass: min(1, 3e38·y), as y is not negative. A comparison and a selection take four.
      const open = l.emit('HardSigmoid', [y!], { alpha: { float: 3e38 }, beta: { float: 0 } });
      return l.emit('Mul', [dy!, open]);
    },

    channelSum: (l, _node, [x]) => l.emit('ReduceSum', [x!, l.ints([1])], { keepdims: 0 }),
    channelDot: (l, node, [x, y]) => rowDots(l, rows(node.inputs[0]!), x!, y!),
    channelDeviation: (l, node, [x, m]) => {
      const centred = l.emit('Sub', [x!, l.reshape(m!, [node.shape[0]!, 1])]);
      return rowDots(l, rows(node.inputs[0]!), centred, centred);
    },
    scaleShift: (l, node, [x, ...by]) =>
      scalesInBlocks(node.shape, layout)
        ? scaleChannels(l, x!, by, node.shape, layout)
        : scaleShift(l, rows(node), x!, by[0]!, by[1]!),
    channelScale: (l, node, [x, scale]) =>
      scalesInBlocks(node.shape, layout)
        ? scaleChannels(l, x!, [scale!], node.shape, layout)
        : l.emit('Mul', [x!, l.reshape(scale!, [node.shape[1]!, 1])]),
    channelBroadcast: (l, node, [v]) => l.emit('Expand', [l.reshape(v!, [node.shape[1]!, 1]), l.ints(rows(node))]),

    spatialSum: (l, node, [x]) => planeSums(l, planes(l, x!, node.inputs[0]!.shape, layout), node, layout),
    spatialDot: (l, node, [x, y]) => {
      if (layout.lanes > 1) return planeDots(l, x!, y!, node, layout);
      const product = l.emit('Mul', [x!, y!]);
      return planeSums(l, planes(l, product, node.inputs[0]!.shape, layout), node, layout);
    },
    gate: (l, node, [x, g]) => {
      if (sidesOf(node.shape, layout).area === 1) return l.emit('Mul', [x!, g!]);
      if (layout.lanes > 1) return scalePlanes(l, x!, [g!], node.shape, layout);
      const spread = points(l, g!, node.shape, layout);
      return l.reshape(l.emit('Mul', [planes(l, x!, node.shape, layout), spread]), rows(node));
    },
    gateShift: (l, node, [x, g, p]) => {
      if (layout.lanes > 1) return scalePlanes(l, x!, [g!, p!], node.shape, layout);
      const at = (t: string): string => points(l, t, node.shape, layout);
      const scaled = l.emit('Mul', [planes(l, x!, node.shape, layout), at(g!)]);
      return l.reshape(l.emit('Add', [scaled, at(p!)]), rows(node));
    },
    spatialBroadcast: (l, node, [v]) => {
      const { c, groups, area } = sidesOf(node.shape, layout);
      const spread = l.emit('Expand', [points(l, v!, node.shape, layout), l.ints([c, groups, area, layout.lanes])]);
      return l.reshape(spread, rows(node));
    },
    sampleScale: (l, node, [x, m]) => {
      const spread = l.reshape(m!, [1, sidesOf(node.shape, layout).groups, 1, layout.lanes]);
      return l.reshape(l.emit('Mul', [planes(l, x!, node.shape, layout), spread]), rows(node));
    },

    ...cpuConvolutions(layout),

    flatten: (l, _node, [x]) => l.emit('Transpose', [x!], { perm: [1, 0] }),
    unflatten: (l, _node, [x]) => l.emit('Transpose', [x!], { perm: [1, 0] }),
    concat: (l, _node, xs) => l.emit('Concat', xs, { axis: 0 }),
    sliceChannels: (l, { attributes }, [x]) => {
      const { start, end } = attributes as { start: number; end: number };
      return l.emit('Slice', [x!, l.ints([start]), l.ints([end]), l.ints([0])]);
    },
    padChannels: (l, { attributes }, [x]) => {
      const { before, after } = attributes as { before: number; after: number };
      return l.emit('Pad', [x!, l.ints([before, 0, after, 0])]);
    },
    ...pools(layout),
    constant: (l, node, xs) => {
      const values = elementwiseRules.constant!(l, node, xs);
      return isImage(node) ? fromImages(l, values, node.shape, layout) : values;
    },
  };
}

/** How a node that comes from outside is brought into the layout: images turned, the rest as it is. */
export function cpuInput(l: Lowering, node: Node, name: string, layout: CpuLayout): string {
  const isData = node.attributes.role === 'data';
  return isData && isImage(node) ? fromImages(l, name, node.shape, layout) : name;
}

/** Whether an operation's result is an image: a matrix between rules. Weights have four axes too, and are not. */
export function isCpuImage(node: Node): boolean {
  if (!isImage(node)) return false;
  if (node.op.name === 'input') return node.attributes.role === 'data';
  if (['convWeightGrad', 'reshape', 'rowScale', 'fill'].includes(node.op.name)) return false;
  if (elementwiseRules[node.op.name] !== undefined && node.inputs.length > 0) return isCpuImage(node.inputs[0]!);
  return true;
}

/** The way back, for whoever looks at an intermediate value: as its shape says. */
export function cpuOutput(l: Lowering, node: Node, name: string, layout: CpuLayout): string {
  return isCpuImage(node) ? toImages(l, name, node.shape, layout) : name;
}

/** y = scale·x + shift in one pass: the inference form of batch normalisation with mean 0 and variance 1. */
function scaleShift(l: Lowering, [c, columns]: [number, number], x: string, scale: string, shift: string): string {
  const zeros = l.floats(new Float32Array(c), [c]);
  const ones = l.floats(new Float32Array(c).fill(1), [c]);
  const inputs = [l.reshape(x, [1, c, columns]), scale, shift, zeros, ones];
  return l.reshape(l.emit('BatchNormalization', inputs, { epsilon: { float: 0 } }), [c, columns]);
}

/** Σ x·y in each row: a matrix product of 1×M by M×1 is the fastest way. */
function rowDots(l: Lowering, [c, columns]: [number, number], x: string, y: string): string {
  const a = l.reshape(x, [c, 1, columns]);
  const b = x === y ? a : l.reshape(y, [c, 1, columns]);
  return l.reshape(l.emit('FusedMatMul', [a, b], { transB: 1 }, 'com.microsoft'), [c]);
}

/** (C, N/lanes, H·W, lanes) → (C, N). */
function planeSums(l: Lowering, x: string, node: Node, layout: CpuLayout): string {
  const { n, c } = sidesOf(node.shape, layout);
  const { area } = sidesOf(node.inputs[0]!.shape, layout);
  if (layout.lanes === 1 && area > 1) {
    const ones = l.floats(new Float32Array(area).fill(1), [area, 1]);
    return l.reshape(l.emit('MatMul', [l.reshape(x, [n * c, area]), ones]), [c, n]);
  }
  return l.reshape(l.emit('ReduceSum', [x, l.ints([2])], { keepdims: 0 }), [c, n]);
}

/** Σ x·y in each plane: in lanes a convolution of x by y, whole planes, which is one pass. */
function planeDots(l: Lowering, x: string, y: string, node: Node, layout: CpuLayout): string {
  const { n, c, h, w } = sidesOf(node.inputs[0]!.shape, layout);
  const planes = n * c;
  const kernel = [planes, 1, h, w];
  const options = convAttributes(kernel, { ...POINTWISE, groups: planes });
  const dots = l.emit('Conv', [l.reshape(x, [1, planes, h, w]), l.reshape(y, kernel)], options, NCHWC);
  return l.reshape(dots, [c, n]);
}

/** Pooling sees N·C planes of one channel each, a plane contiguous. */
function pools(layout: CpuLayout): Rules {
  const image = (shape: Shape): Shape => [1, shape[0]! * shape[1]!, shape[2]!, shape[3]!];
  const viewed = (node: Node): Node =>
    ({ ...node, shape: image(node.shape), inputs: node.inputs.map((x) => ({ ...x, shape: image(x.shape) })) }) as Node;
  const rule = (name: string): Rules[string] => {
    return (l, node, xs) => {
      if (layout.lanes !== 1) throw new Error(`${name}: internal error: pooling in the blocked layout`);
      const inputs = xs.map((x, i) => l.reshape(x, image(node.inputs[i]!.shape)));
      const y = standardRules[name]!(l, viewed(node), inputs);
      const { c, columns } = sidesOf(node.shape, layout);
      return l.reshape(y, [c, columns]);
    };
  };
  const names = ['maxPool', 'maxPoolGrad', 'averagePool'];
  const averagePoolGrad: Rules[string] = (l, node, [dy]) =>
    tilesWhole(node) ? spreadOverTiles(l, node, dy!, layout) : rule('averagePoolGrad')!(l, node, [dy!]);
  return { ...Object.fromEntries(names.map((name) => [name, rule(name)])), averagePoolGrad };
}

/** Whether the windows of an averagePoolGrad are tiles, and nothing is left beside them. */
function tilesWhole({ shape, inputs, attributes }: Node): boolean {
  const { kernel, stride, pad } = attributes as unknown as PoolAttributes;
  const [, , ho, wo] = inputs[0]!.shape;
  return kernel === stride && pad === 0 && shape[2] === ho! * kernel && shape[3] === wo! * kernel;
}

/** Each value's share over its tile: along rows by a product, ten times faster than Expand along the last axis. */
function spreadOverTiles(l: Lowering, node: Node, dy: string, layout: CpuLayout): string {
  const { kernel } = node.attributes as unknown as PoolAttributes;
  const { n, c, h, w } = sidesOf(node.inputs[0]!.shape, layout);
  const row = w * kernel;
  const shares = Array.from({ length: w * row }, (_, i) => {
    const [from, to] = [Math.floor(i / row), Math.floor((i % row) / kernel)];
    return from === to ? 1 / kernel ** 2 : 0;
  });
  const wide = l.emit('MatMul', [l.reshape(dy, [n * c * h, w]), l.floats(Float32Array.from(shares), [w, row])]);
  const tiled = l.emit('Expand', [l.reshape(wide, [n * c * h, 1, row]), l.ints([n * c * h, kernel, row])]);
  return l.reshape(tiled, [c, sidesOf(node.shape, layout).columns]);
}
