// Operations between an image tensor (N,C,H,W) and one value a channel (C) or one a channel and sample (N,C,1,1):
// what batch normalisation, squeeze-and-excitation, pooling to a point and stochastic depth are made of.
import { apply, type Graph, type Node, type Op, type Shape, sameShape, shapeError, sizeOf } from '../graph/graph.ts';
import { add, affine, mul } from './elementwise.ts';

type None = Record<string, never>;
const none: None = {};

/** Iterates an (N,C,H,W) tensor: `visit(channel, sample·C + channel, index)`. */
function eachChannel(shape: Shape, visit: (c: number, nc: number, i: number) => void): void {
  const [n, c] = shape as [number, number];
  const area = sizeOf(shape.slice(2));
  for (let nc = 0, i = 0; nc < n * c; nc++) for (let p = 0; p < area; p++, i++) visit(nc % c, nc, i);
}

const channels = (shape: Shape): Shape => [shape[1]!];
const points = (shape: Shape): Shape => [shape[0]!, shape[1]!, 1, 1];

function need(name: string, shapes: readonly Shape[], good: boolean, expected: string): void {
  if (!good || shapes[0]!.length !== 4) throw shapeError(name, shapes, expected);
}

/** Σ over N, H and W: (N,C,H,W) → (C). */
const channelSumOp: Op<None> = {
  name: 'channelSum',
  shape(shapes) {
    need('channelSum', shapes, true, '(N,C,H,W)');
    return channels(shapes[0]!);
  },
  evaluate([x], node) {
    const sum = new Float64Array(node.shape[0]!);
    eachChannel(node.inputs[0]!.shape, (c, _, i) => {
      sum[c]! += x![i]!;
    });
    return sum;
  },
  gradient: (graph, node, dy) => [channelBroadcast(graph, dy, node.inputs[0]!.shape)],
};

/** Σ x·y over N, H and W: (N,C,H,W)² → (C). */
const channelDotOp: Op<None> = {
  name: 'channelDot',
  shape(shapes) {
    need('channelDot', shapes, sameShape(shapes[0]!, shapes[1]!), 'two equal (N,C,H,W)');
    return channels(shapes[0]!);
  },
  evaluate([x, y], node) {
    const sum = new Float64Array(node.shape[0]!);
    eachChannel(node.inputs[0]!.shape, (c, _, i) => {
      sum[c]! += x![i]! * y![i]!;
    });
    return sum;
  },
  gradient(graph, node, dy) {
    const [x, y] = node.inputs as [Node, Node];
    if (x === y) return [channelScale(graph, x, add(graph, dy, dy)), null];
    return [channelScale(graph, y, dy), channelScale(graph, x, dy)];
  },
};

/**
 * Σ (x - m)² over N, H and W, m the mean over N, H and W: (N,C,H,W), (C) → (C). As m is the mean, the sum does not change
 * with it to first order: no gradient flows there.
 */
const channelDeviationOp: Op<None> = {
  name: 'channelDeviation',
  shape(shapes) {
    need('channelDeviation', shapes, sameShape(shapes[1]!, channels(shapes[0]!)), '(N,C,H,W), (C)');
    return channels(shapes[0]!);
  },
  evaluate([x, m], node) {
    const sum = new Float64Array(node.shape[0]!);
    eachChannel(node.inputs[0]!.shape, (c, _, i) => {
      sum[c]! += (x![i]! - m![c]!) ** 2;
    });
    return sum;
  },
  gradient(graph, node, dy) {
    const [x, m] = node.inputs as [Node, Node];
    const twice = add(graph, dy, dy);
    const shift = mul(graph, affine(graph, twice, -1, 0), m);
    return [scaleShift(graph, x, twice, shift), null];
  },
};

/** x·scale + shift, a scale and shift a channel: (N,C,H,W), (C), (C) → (N,C,H,W). */
const scaleShiftOp: Op<None> = {
  name: 'scaleShift',
  shape(shapes) {
    const [x, scale, shift] = shapes;
    const fits = sameShape(scale!, channels(x!)) && sameShape(shift!, channels(x!));
    need('scaleShift', shapes, fits, '(N,C,H,W), (C), (C)');
    return x!;
  },
  evaluate([x, scale, shift], node) {
    const y = new Float64Array(x!.length);
    eachChannel(node.shape, (c, _, i) => {
      y[i] = x![i]! * scale![c]! + shift![c]!;
    });
    return y;
  },
  gradient(graph, node, dy) {
    const [x, scale] = node.inputs as [Node, Node];
    return [channelScale(graph, dy, scale), channelDot(graph, dy, x), channelSum(graph, dy)];
  },
};

/** x·scale, a scale a channel: (N,C,H,W), (C) → (N,C,H,W). */
const channelScaleOp: Op<None> = {
  name: 'channelScale',
  shape(shapes) {
    need('channelScale', shapes, sameShape(shapes[1]!, channels(shapes[0]!)), '(N,C,H,W), (C)');
    return shapes[0]!;
  },
  evaluate([x, scale], node) {
    const y = new Float64Array(x!.length);
    eachChannel(node.shape, (c, _, i) => {
      y[i] = x![i]! * scale![c]!;
    });
    return y;
  },
  gradient(graph, node, dy) {
    const [x, scale] = node.inputs as [Node, Node];
    return [channelScale(graph, dy, scale), channelDot(graph, dy, x)];
  },
};

/** (C) → (N,C,H,W). */
const channelBroadcastOp: Op<{ shape: Shape }> = {
  name: 'channelBroadcast',
  shape(shapes, { shape }) {
    if (!sameShape(shapes[0]!, channels(shape))) throw shapeError('channelBroadcast', shapes, `(C) for [${shape}]`);
    return shape;
  },
  evaluate([v], node) {
    const y = new Float64Array(sizeOf(node.shape));
    eachChannel(node.shape, (c, _, i) => {
      y[i] = v![c]!;
    });
    return y;
  },
  gradient: (graph, _node, dy) => [channelSum(graph, dy)],
};

/** Σ over H and W: (N,C,H,W) → (N,C,1,1). */
const spatialSumOp: Op<None> = {
  name: 'spatialSum',
  shape(shapes) {
    need('spatialSum', shapes, true, '(N,C,H,W)');
    return points(shapes[0]!);
  },
  evaluate([x], node) {
    const sum = new Float64Array(sizeOf(node.shape));
    eachChannel(node.inputs[0]!.shape, (_, nc, i) => {
      sum[nc]! += x![i]!;
    });
    return sum;
  },
  gradient: (graph, node, dy) => [spatialBroadcast(graph, dy, node.inputs[0]!.shape)],
};

/** Σ x·y over H and W: (N,C,H,W)² → (N,C,1,1). */
const spatialDotOp: Op<None> = {
  name: 'spatialDot',
  shape(shapes) {
    need('spatialDot', shapes, sameShape(shapes[0]!, shapes[1]!), 'two equal (N,C,H,W)');
    return points(shapes[0]!);
  },
  evaluate([x, y], node) {
    const sum = new Float64Array(sizeOf(node.shape));
    eachChannel(node.inputs[0]!.shape, (_, nc, i) => {
      sum[nc]! += x![i]! * y![i]!;
    });
    return sum;
  },
  gradient(graph, node, dy) {
    const [x, y] = node.inputs as [Node, Node];
    return [gate(graph, y, dy), gate(graph, x, dy)];
  },
};

/** x·g, a factor a sample and channel: (N,C,H,W), (N,C,1,1) → (N,C,H,W). */
const gateOp: Op<None> = {
  name: 'gate',
  shape(shapes) {
    need('gate', shapes, sameShape(shapes[1]!, points(shapes[0]!)), '(N,C,H,W), (N,C,1,1)');
    return shapes[0]!;
  },
  evaluate([x, g], node) {
    const y = new Float64Array(x!.length);
    eachChannel(node.shape, (_, nc, i) => {
      y[i] = x![i]! * g![nc]!;
    });
    return y;
  },
  gradient(graph, node, dy) {
    const [x, g] = node.inputs as [Node, Node];
    return [gate(graph, dy, g), spatialDot(graph, dy, x)];
  },
};

/** x·g + p, a factor and a shift a sample and channel: (N,C,H,W), (N,C,1,1)² → (N,C,H,W). */
const gateShiftOp: Op<None> = {
  name: 'gateShift',
  shape(shapes) {
    const fits = sameShape(shapes[1]!, points(shapes[0]!)) && sameShape(shapes[2]!, points(shapes[0]!));
    need('gateShift', shapes, fits, '(N,C,H,W), (N,C,1,1), (N,C,1,1)');
    return shapes[0]!;
  },
  evaluate([x, g, p], node) {
    const y = new Float64Array(x!.length);
    eachChannel(node.shape, (_, nc, i) => {
      y[i] = x![i]! * g![nc]! + p![nc]!;
    });
    return y;
  },
  gradient(graph, node, dy) {
    const [x, g] = node.inputs as [Node, Node];
    return [gate(graph, dy, g), spatialDot(graph, dy, x), spatialSum(graph, dy)];
  },
};

/** (N,C,1,1) → (N,C,H,W). */
const spatialBroadcastOp: Op<{ shape: Shape }> = {
  name: 'spatialBroadcast',
  shape(shapes, { shape }) {
    if (!sameShape(shapes[0]!, points(shape))) throw shapeError('spatialBroadcast', shapes, `(N,C,1,1) for [${shape}]`);
    return shape;
  },
  evaluate([v], node) {
    const y = new Float64Array(sizeOf(node.shape));
    eachChannel(node.shape, (_, nc, i) => {
      y[i] = v![nc]!;
    });
    return y;
  },
  gradient: (graph, _node, dy) => [spatialSum(graph, dy)],
};

/** x·m, a factor a sample: (N,C,H,W), (N) → (N,C,H,W). The factor is data (a mask): it has no gradient. */
const sampleScaleOp: Op<None> = {
  name: 'sampleScale',
  shape(shapes) {
    need('sampleScale', shapes, sameShape(shapes[1]!, [shapes[0]![0]!]), '(N,C,H,W), (N)');
    return shapes[0]!;
  },
  evaluate([x, m], node) {
    const perSample = x!.length / node.shape[0]!;
    return x!.map((value, i) => value * m![Math.floor(i / perSample)]!);
  },
  gradient: (graph, node, dy) => [sampleScale(graph, dy, node.inputs[1]!), null],
};

export const channelSum = (graph: Graph, x: Node): Node => apply(graph, channelSumOp, [x], none);
export const channelDot = (graph: Graph, x: Node, y: Node): Node => apply(graph, channelDotOp, [x, y], none);
/** Σ (x - mean)² over N, H and W. */
export const channelDeviation = (graph: Graph, x: Node, mean: Node): Node =>
  apply(graph, channelDeviationOp, [x, mean], none);
export const scaleShift = (graph: Graph, x: Node, scale: Node, shift: Node): Node =>
  apply(graph, scaleShiftOp, [x, scale, shift], none);
export const channelScale = (graph: Graph, x: Node, scale: Node): Node =>
  apply(graph, channelScaleOp, [x, scale], none);
export const channelBroadcast = (graph: Graph, v: Node, shape: Shape): Node =>
  apply(graph, channelBroadcastOp, [v], { shape }) as unknown as Node;
export const spatialSum = (graph: Graph, x: Node): Node => apply(graph, spatialSumOp, [x], none);
export const spatialDot = (graph: Graph, x: Node, y: Node): Node => apply(graph, spatialDotOp, [x, y], none);
export const gate = (graph: Graph, x: Node, g: Node): Node => apply(graph, gateOp, [x, g], none);
export const gateShift = (graph: Graph, x: Node, g: Node, p: Node): Node => apply(graph, gateShiftOp, [x, g, p], none);
export const spatialBroadcast = (graph: Graph, v: Node, shape: Shape): Node =>
  apply(graph, spatialBroadcastOp, [v], { shape }) as unknown as Node;
export const sampleScale = (graph: Graph, x: Node, m: Node): Node => apply(graph, sampleScaleOp, [x, m], none);
