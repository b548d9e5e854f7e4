// Element-wise operations: both operands of the same shape, no broadcasting (that is `channel.ts`' business).
import { apply, type Graph, type Node, type Op, sameShape, shapeError, sizeOf } from '../graph/graph.ts';

type None = Record<string, never>;
const none: None = {};

function unary(name: string, f: (x: number) => number, gradient: NonNullable<Op<None>['gradient']>): Op<None> {
  return { name, shape: ([x]) => x!, evaluate: ([x]) => x!.map(f), gradient };
}

function binary(name: string, f: (a: number, b: number) => number, gradient?: Op<None>['gradient']): Op<None> {
  return {
    name,
    shape(shapes) {
      const [a, b] = shapes;
      if (!sameShape(a!, b!)) throw shapeError(name, shapes, 'two of the same shape');
      return a!;
    },
    evaluate: ([a, b]) => a!.map((value, i) => f(value, b![i]!)),
    ...(gradient && { gradient }),
  };
}

const addOp = binary(
  'add',
  (a, b) => a + b,
  (_graph, _node, dy) => [dy, dy],
);
const subOp = binary(
  'sub',
  (a, b) => a - b,
  (graph, _node, dy) => [dy, affine(graph, dy, -1, 0)],
);
const mulOp = binary(
  'mul',
  (a, b) => a * b,
  (graph, node, dy) => [mul(graph, dy, node.inputs[1]!), mul(graph, dy, node.inputs[0]!)],
);

/** scale·x + shift, both plain numbers. */
const affineOp: Op<{ scale: number; shift: number }> = {
  name: 'affine',
  shape: ([x]) => x!,
  evaluate: ([x], { attributes: { scale, shift } }) => x!.map((value) => scale * value + shift),
  gradient: (graph, node, dy) => [affine(graph, dy, node.attributes.scale, 0)],
};

/** (x + epsilon)^(-1/2). */
const rsqrtOp: Op<{ epsilon: number }> = {
  name: 'rsqrt',
  shape: ([x]) => x!,
  evaluate: ([x], { attributes }) => x!.map((value) => 1 / Math.sqrt(value + attributes.epsilon)),
  gradient(graph, node, dy) {
    const y = node as unknown as Node;
    const cube = mul(graph, mul(graph, y, y), y);
    return [mul(graph, dy, affine(graph, cube, -0.5, 0))];
  },
};

const sigmoidOp = unary('sigmoid', logistic, (graph, node, dy) => {
  const y = node as unknown as Node;
  return [mul(graph, dy, sub(graph, y, mul(graph, y, y)))];
});

/** log(1 + e^x), without overflow. */
const softplusOp = unary(
  'softplus',
  (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  (graph, node, dy) => [mul(graph, dy, sigmoid(graph, node.inputs[0]!))],
);

/** x·sigmoid(x), also known as SiLU (Elfwing et al., 2017; Ramachandran et al., 2017). */
const swishOp = unary(
  'swish',
  (x) => x * logistic(x),
  (graph, node, dy) => [apply(graph, swishGradOp, [dy, node.inputs[0]!, node as unknown as Node], none)],
);
/** dL/dx of swish from (dL/dy, x, y): with s the sigmoid of x, dy·(s·(1 - y) + y). */
const swishGradOp: Op<None> = {
  name: 'swishGrad',
  shape(shapes) {
    const [dy, x, y] = shapes;
    if (!sameShape(dy!, x!) || !sameShape(dy!, y!)) throw shapeError('swishGrad', shapes, 'three of the same shape');
    return dy!;
  },
  evaluate: ([dy, x, y]) => dy!.map((value, i) => value * (logistic(x![i]!) * (1 - y![i]!) + y![i]!)),
};

const reluOp = unary(
  'relu',
  (x) => Math.max(x, 0),
  (graph, node, dy) => [apply(graph, reluGradOp, [dy, node as unknown as Node], none)],
);
/** dL/dx of relu from (dL/dy, y). */
const reluGradOp = binary('reluGrad', (dy, y) => (y > 0 ? dy : 0));

/** The same numbers along the last axis, at every place of the others; one number is the same everywhere. */
const constantOp: Op<{ shape: readonly number[]; values: readonly number[] }> = {
  name: 'constant',
  shape(_inputs, { shape, values }) {
    if (values.length !== 1 && values.length !== shape.at(-1)) {
      throw new Error(`constant: ${values.length} values do not fill the last axis of [${shape}]`);
    }
    return shape;
  },
  evaluate: (_inputs, node) => constantValues(node.attributes),
};

/** All values of a constant node, row-major. */
export function constantValues({
  shape,
  values,
}: {
  shape: readonly number[];
  values: readonly number[];
}): Float64Array {
  return new Float64Array(sizeOf(shape)).map((_, i) => values[i % values.length]!);
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

export const add = (graph: Graph, a: Node, b: Node): Node => apply(graph, addOp, [a, b], none);
export const sub = (graph: Graph, a: Node, b: Node): Node => apply(graph, subOp, [a, b], none);
export const mul = (graph: Graph, a: Node, b: Node): Node => apply(graph, mulOp, [a, b], none);
export const rsqrt = (graph: Graph, x: Node, epsilon: number): Node =>
  apply(graph, rsqrtOp, [x], { epsilon }) as unknown as Node;
export const sigmoid = (graph: Graph, x: Node): Node => apply(graph, sigmoidOp, [x], none);
export const softplus = (graph: Graph, x: Node): Node => apply(graph, softplusOp, [x], none);
export const swish = (graph: Graph, x: Node): Node => apply(graph, swishOp, [x], none);
export const relu = (graph: Graph, x: Node): Node => apply(graph, reluOp, [x], none);
export const affine = (graph: Graph, x: Node, scale: number, shift: number): Node =>
  apply(graph, affineOp, [x], { scale, shift }) as unknown as Node;
export const constant = (graph: Graph, shape: readonly number[], values: readonly number[]): Node =>
  apply(graph, constantOp, [], { shape, values }) as unknown as Node;
