// Small matrix algebra on weights and statistics: products, transposes, a factor a row, a sum a row.
import { apply, type Graph, type Node, type Op, type Shape, sameShape, shapeError, sizeOf } from '../graph/graph.ts';

type None = Record<string, never>;
const none: None = {};

/** op(a)·op(b) with op the transpose where asked: (M,K)·(K,L) → (M,L). */
const matmulOp: Op<{ transposeA: boolean; transposeB: boolean }> = {
  name: 'matmul',
  shape(shapes, { transposeA, transposeB }) {
    const [a, b] = shapes;
    const [rows, inner] = transposeA ? [a![1], a![0]] : [a![0], a![1]];
    const [inner2, columns] = transposeB ? [b![1], b![0]] : [b![0], b![1]];
    if (a!.length !== 2 || b!.length !== 2 || inner !== inner2) throw shapeError('matmul', shapes, '(M,K)·(K,L)');
    return [rows!, columns!];
  },
  evaluate([a, b], node) {
    const { transposeA, transposeB } = node.attributes;
    const [rows, columns] = node.shape as [number, number];
    const inner = node.inputs[0]!.shape[transposeA ? 0 : 1]!;
    const y = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let k = 0; k < inner; k++)
          y[i * columns + j]! +=
            a![transposeA ? k * rows + i : i * inner + k]! * b![transposeB ? j * inner + k : k * columns + j]!;
    return y;
  },
  gradient(graph, node, dy) {
    const [a, b] = node.inputs as [Node, Node];
    const { transposeA, transposeB } = node.attributes;
    const da = transposeA ? matmul(graph, b, dy, transposeB, true) : matmul(graph, dy, b, false, !transposeB);
    const db = transposeB ? matmul(graph, dy, a, true, transposeA) : matmul(graph, a, dy, !transposeA, false);
    return [da, db];
  },
};

/** A factor for each index of the first axis: (R,…), (R) → (R,…). */
const rowScaleOp: Op<None> = {
  name: 'rowScale',
  shape(shapes) {
    if (!sameShape(shapes[1]!, [shapes[0]![0]!])) throw shapeError('rowScale', shapes, '(R,…), (R)');
    return shapes[0]!;
  },
  evaluate([x, s], node) {
    const length = x!.length / node.shape[0]!;
    return x!.map((value, i) => value * s![Math.floor(i / length)]!);
  },
  gradient(graph, node, dy) {
    const [x, s] = node.inputs as [Node, Node];
    return [rowScale(graph, dy, s), rowDot(graph, dy, x)];
  },
};

/** Σ x·y over all axes but the first: (R,…)² → (R). */
const rowDotOp: Op<None> = {
  name: 'rowDot',
  shape(shapes) {
    if (!sameShape(shapes[0]!, shapes[1]!)) throw shapeError('rowDot', shapes, 'two equal shapes');
    return [shapes[0]![0]!];
  },
  evaluate([x, y], node) {
    const length = sizeOf(node.inputs[0]!.shape) / node.shape[0]!;
    const sum = new Float64Array(node.shape[0]!);
    for (let i = 0; i < x!.length; i++) sum[Math.floor(i / length)]! += x![i]! * y![i]!;
    return sum;
  },
  gradient(graph, node, dy) {
    const [x, y] = node.inputs as [Node, Node];
    return [rowScale(graph, y, dy), rowScale(graph, x, dy)];
  },
};

/** Σ of everything: any shape → (1). */
const sumOp: Op<None> = {
  name: 'sum',
  shape: () => [1],
  evaluate: ([x]) => Float64Array.of(x!.reduce((a, b) => a + b, 0)),
  gradient: (graph, node, dy) => [apply(graph, fillOp, [dy], { shape: node.inputs[0]!.shape }) as unknown as Node],
};

/** (1) → any shape. */
const fillOp: Op<{ shape: Shape }> = {
  name: 'fill',
  shape: (_shapes, { shape }) => shape,
  evaluate: ([x], node) => new Float64Array(sizeOf(node.shape)).fill(x![0]!),
  gradient: (graph, _node, dy) => [sum(graph, dy)],
};

export const sum = (graph: Graph, x: Node): Node => apply(graph, sumOp, [x], none);
export const matmul = (graph: Graph, a: Node, b: Node, transposeA = false, transposeB = false): Node =>
  apply(graph, matmulOp, [a, b], { transposeA, transposeB }) as unknown as Node;
export const rowScale = (graph: Graph, x: Node, s: Node): Node => apply(graph, rowScaleOp, [x, s], none);
export const rowDot = (graph: Graph, x: Node, y: Node): Node => apply(graph, rowDotOp, [x, y], none);
