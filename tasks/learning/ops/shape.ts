// Operations that only move values: the graph's inputs, reshape, concatenation and slices along channels.
import { apply, type Graph, type Node, type Op, type Shape, shapeError, sizeOf } from '../graph/graph.ts';

/** What an input is: a trained parameter, a running statistic, or data of the step (images, labels, masks). */
export type InputRole = 'parameter' | 'buffer' | 'data';

const inputOp: Op<{ name: string; role: InputRole; shape: Shape }> = {
  name: 'input',
  shape: (_inputs, { shape }) => shape,
  evaluate() {
    throw new Error('internal error: an input has no definition');
  },
};

/** The same values under another shape; for weights and tables, never for images. */
const reshapeOp: Op<{ shape: Shape }> = {
  name: 'reshape',
  shape(shapes, { shape }) {
    if (sizeOf(shapes[0]!) !== sizeOf(shape)) throw shapeError('reshape', shapes, `as many values as [${shape}]`);
    return shape;
  },
  evaluate: ([x]) => x!,
  gradient: (graph, node, dy) => [reshape(graph, dy, node.inputs[0]!.shape)],
};

/** (N,C,1,1) → (N,C): from an image of one pixel to a table. */
const flattenOp: Op<Record<string, never>> = {
  name: 'flatten',
  shape(shapes) {
    const [n, c, h, w] = shapes[0]!;
    if (h !== 1 || w !== 1) throw shapeError('flatten', shapes, '(N,C,1,1)');
    return [n!, c!];
  },
  evaluate: ([x]) => x!,
  gradient: (graph, _node, dy) => [apply(graph, unflattenOp, [dy], {})],
};

/** (N,C) → (N,C,1,1). */
const unflattenOp: Op<Record<string, never>> = {
  name: 'unflatten',
  shape: ([x]) => [x![0]!, x![1]!, 1, 1],
  evaluate: ([x]) => x!,
  gradient: (graph, _node, dy) => [flatten(graph, dy)],
};

/** (N,C1,H,W), (N,C2,H,W), … → (N,C1+C2+…,H,W). */
const concatOp: Op<Record<string, never>> = {
  name: 'concat',
  shape(shapes) {
    const [n, , h, w] = shapes[0]!;
    const fits = shapes.every((s) => s.length === 4 && s[0] === n && s[2] === h && s[3] === w);
    if (!fits) throw shapeError('concat', shapes, '(N,C,H,W) with equal N, H and W');
    return [n!, shapes.reduce((sum, s) => sum + s[1]!, 0), h!, w!];
  },
  evaluate(inputs, node) {
    const y = new Float64Array(sizeOf(node.shape));
    const [n, , h, w] = node.shape as [number, number, number, number];
    for (let sample = 0, at = 0; sample < n; sample++) {
      inputs.forEach((x, i) => {
        const length = node.inputs[i]!.shape[1]! * h * w;
        y.set(x.subarray(sample * length, (sample + 1) * length), at);
        at += length;
      });
    }
    return y;
  },
  gradient(graph, node, dy) {
    let start = 0;
    return node.inputs.map((input) => {
      const end = start + input.shape[1]!;
      const part = sliceChannels(graph, dy, start, end);
      start = end;
      return part;
    });
  },
};

/** Channels [start, end): (N,C,H,W) → (N,end-start,H,W). */
const sliceChannelsOp: Op<{ start: number; end: number }> = {
  name: 'sliceChannels',
  shape(shapes, { start, end }) {
    const [n, c, h, w] = shapes[0]!;
    if (start < 0 || end > c! || start >= end) throw shapeError('sliceChannels', shapes, `channels ${start}..${end}`);
    return [n!, end - start, h!, w!];
  },
  evaluate([x], node) {
    const { start, end } = node.attributes;
    const [n, c, h, w] = node.inputs[0]!.shape as [number, number, number, number];
    const y = new Float64Array(sizeOf(node.shape));
    const length = (end - start) * h * w;
    for (let sample = 0; sample < n; sample++) {
      const from = (sample * c + start) * h * w;
      y.set(x!.subarray(from, from + length), sample * length);
    }
    return y;
  },
  gradient(graph, node, dy) {
    const shape = node.inputs[0]!.shape;
    const { start, end } = node.attributes;
    return [apply(graph, padChannelsOp, [dy], { before: start, after: shape[1]! - end }) as unknown as Node];
  },
};

/** Zero channels before and after: the gradient of a slice. */
const padChannelsOp: Op<{ before: number; after: number }> = {
  name: 'padChannels',
  shape: ([x], { before, after }) => [x![0]!, x![1]! + before + after, x![2]!, x![3]!],
  evaluate([x], node) {
    const [n, c, h, w] = node.inputs[0]!.shape as [number, number, number, number];
    const y = new Float64Array(sizeOf(node.shape));
    for (let sample = 0; sample < n; sample++) {
      const at = (sample * node.shape[1]! + node.attributes.before) * h * w;
      y.set(x!.subarray(sample * c * h * w, (sample + 1) * c * h * w), at);
    }
    return y;
  },
};

/** (C1), (C2), … → (C1+C2+…). */
const joinOp: Op<Record<string, never>> = {
  name: 'join',
  shape(shapes) {
    if (!shapes.every((s) => s.length === 1)) throw shapeError('join', shapes, '(C) each');
    return [shapes.reduce((sum, s) => sum + s[0]!, 0)];
  },
  evaluate: (inputs) => Float64Array.from(inputs.flatMap((x) => [...x])),
  gradient(graph, node, dy) {
    let start = 0;
    return node.inputs.map((input) => {
      const end = start + input.shape[0]!;
      const part = apply(graph, cutOp, [dy], { start, end }) as unknown as Node;
      start = end;
      return part;
    });
  },
};

/** Values [start, end): (C) → (end-start). The gradient of a join. */
const cutOp: Op<{ start: number; end: number }> = {
  name: 'cut',
  shape: (_shapes, { start, end }) => [end - start],
  evaluate: ([x], { attributes: { start, end } }) => x!.slice(start, end),
};

export const input = (graph: Graph, name: string, role: InputRole, shape: Shape): Node =>
  apply(graph, inputOp, [], { name, role, shape }) as unknown as Node;
export const reshape = (graph: Graph, x: Node, shape: Shape): Node =>
  apply(graph, reshapeOp, [x], { shape }) as unknown as Node;
export const flatten = (graph: Graph, x: Node): Node => apply(graph, flattenOp, [x], {});
export const concat = (graph: Graph, xs: readonly Node[]): Node => apply(graph, concatOp, xs, {});
export const join = (graph: Graph, xs: readonly Node[]): Node => apply(graph, joinOp, xs, {});
export const sliceChannels = (graph: Graph, x: Node, start: number, end: number): Node =>
  apply(graph, sliceChannelsOp, [x], { start, end }) as unknown as Node;
