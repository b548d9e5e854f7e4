// Pooling over windows, as DenseNet and ResNeXt use it: maximum (the first of equals gets the gradient) and average.
import { apply, type Graph, type Node, type Op, type Shape, shapeError, sizeOf } from '../graph/graph.ts';

/** Square window, stride, padding (never counted in an average, never a maximum). */
export type PoolAttributes = { kernel: number; stride: number; pad: number; ceil: boolean };

function outputShape(name: string, shapes: readonly Shape[], { kernel, stride, pad, ceil }: PoolAttributes): Shape {
  const [x] = shapes;
  if (x!.length !== 4) throw shapeError(name, shapes, '(N,C,H,W)');
  const side = (length: number): number => {
    const whole = (ceil ? Math.ceil : Math.floor)((length + 2 * pad - kernel) / stride) + 1;
    return ceil && (whole - 1) * stride >= length + pad ? whole - 1 : whole; // A window must start inside.
  };
  return [x![0]!, x![1]!, side(x![2]!), side(x![3]!)];
}

/** Calls `visit(output index, input indices of its window)` for every window. */
function eachWindow(
  x: Shape,
  y: Shape,
  { kernel, stride, pad }: PoolAttributes,
  visit: (yi: number, window: number[]) => void,
): void {
  const [, , height, width] = x as [number, number, number, number];
  const [n, c, ho, wo] = y as [number, number, number, number];
  for (let plane = 0, yi = 0; plane < n * c; plane++)
    for (let i = 0; i < ho; i++)
      for (let j = 0; j < wo; j++, yi++) {
        const window: number[] = [];
        for (let row = Math.max(i * stride - pad, 0); row < Math.min(i * stride - pad + kernel, height); row++)
          for (let col = Math.max(j * stride - pad, 0); col < Math.min(j * stride - pad + kernel, width); col++)
            window.push((plane * height + row) * width + col);
        visit(yi, window);
      }
}

const argmax = (x: Float64Array, window: readonly number[]): number =>
  window.reduce((best, i) => (x[i]! > x[best]! ? i : best));

const maxPoolOp: Op<PoolAttributes> = {
  name: 'maxPool',
  shape: (shapes, attributes) => outputShape('maxPool', shapes, attributes),
  evaluate([x], node) {
    const y = new Float64Array(sizeOf(node.shape));
    eachWindow(node.inputs[0]!.shape, node.shape, node.attributes, (yi, window) => {
      y[yi] = x![argmax(x!, window)]!;
    });
    return y;
  },
  gradient: (graph, node, dy) => [
    apply(graph, maxPoolGradOp, [dy, node.inputs[0]!, node as unknown as Node], node.attributes) as unknown as Node,
  ],
};

/** dL/dx of maxPool from (dL/dy, x, y). */
const maxPoolGradOp: Op<PoolAttributes> = {
  name: 'maxPoolGrad',
  shape: ([, x]) => x!,
  evaluate([dy, x], node) {
    const dx = new Float64Array(x!.length);
    eachWindow(node.shape, node.inputs[0]!.shape, node.attributes, (yi, window) => {
      dx[argmax(x!, window)]! += dy![yi]!;
    });
    return dx;
  },
};

const averagePoolOp: Op<PoolAttributes> = {
  name: 'averagePool',
  shape: (shapes, attributes) => outputShape('averagePool', shapes, attributes),
  evaluate([x], node) {
    const y = new Float64Array(sizeOf(node.shape));
    eachWindow(node.inputs[0]!.shape, node.shape, node.attributes, (yi, window) => {
      y[yi] = window.reduce((sum, i) => sum + x![i]!, 0) / window.length;
    });
    return y;
  },
  gradient: (graph, node, dy) => [
    apply(graph, averagePoolGradOp, [dy], { ...node.attributes, shape: node.inputs[0]!.shape }) as unknown as Node,
  ],
};

/** dL/dx (of `shape`) of averagePool from dL/dy. */
const averagePoolGradOp: Op<PoolAttributes & { shape: Shape }> = {
  name: 'averagePoolGrad',
  shape: (_shapes, { shape }) => shape,
  evaluate([dy], node) {
    const dx = new Float64Array(sizeOf(node.shape));
    eachWindow(node.shape, node.inputs[0]!.shape, node.attributes, (yi, window) => {
      for (const i of window) dx[i]! += dy![yi]! / window.length;
    });
    return dx;
  },
};

export const maxPool = (graph: Graph, x: Node, attributes: PoolAttributes): Node =>
  apply(graph, maxPoolOp, [x], attributes) as unknown as Node;
export const averagePool = (graph: Graph, x: Node, attributes: PoolAttributes): Node =>
  apply(graph, averagePoolOp, [x], attributes) as unknown as Node;
