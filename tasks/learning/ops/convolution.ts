// Two-dimensional convolution (cross-correlation, as PyTorch and ONNX mean it), grouped, with its two gradients as
// operations of their own, so that a lowering can choose an algorithm for each.
import { apply, type Graph, type Node, type Op, type Shape, shapeError } from '../graph/graph.ts';
import { channelSum } from './channel.ts';

/** Stride and zero padding, the same in both directions; groups as in PyTorch. */
export type ConvAttributes = { stride: number; pad: number; groups: number };

export const POINTWISE: ConvAttributes = { stride: 1, pad: 0, groups: 1 };

const outputSide = (side: number, kernel: number, { stride, pad }: ConvAttributes): number =>
  Math.floor((side + 2 * pad - kernel) / stride) + 1;

/**
 * Visits every product of a convolution: y[yi] += x[xi]·w[wi].
 * Shapes: x (N,Cin,H,W), w (Cout,Cin/groups,K,K), y (N,Cout,Ho,Wo).
 */
function eachProduct(
  x: Shape,
  w: Shape,
  y: Shape,
  { stride, pad, groups }: ConvAttributes,
  visit: (yi: number, xi: number, wi: number) => void,
): void {
  const [samples, , height, width] = x as [number, number, number, number];
  const [cout, perGroup, kh, kw] = w as [number, number, number, number];
  const [, , ho, wo] = y as [number, number, number, number];
  for (let n = 0; n < samples; n++)
    for (let co = 0; co < cout; co++)
      for (let ci = 0; ci < perGroup; ci++) {
        const channel = Math.floor(co / (cout / groups)) * perGroup + ci;
        for (let r = 0; r < kh; r++)
          for (let s = 0; s < kw; s++) {
            const wi = ((co * perGroup + ci) * kh + r) * kw + s;
            for (let i = 0; i < ho; i++) {
              const row = i * stride + r - pad;
              if (row < 0 || row >= height) continue;
              for (let j = 0; j < wo; j++) {
                const column = j * stride + s - pad;
                if (column < 0 || column >= width) continue;
                const yi = ((n * cout + co) * ho + i) * wo + j;
                visit(yi, ((n * perGroup * groups + channel) * height + row) * width + column, wi);
              }
            }
          }
      }
}

/** x (N,Cin,H,W), w (Cout,Cin/groups,K,K), optionally bias (Cout) → (N,Cout,Ho,Wo). */
const convOp: Op<ConvAttributes> = {
  name: 'conv',
  shape(shapes, attributes) {
    const [x, w, bias] = shapes;
    const fits =
      x!.length === 4 &&
      w!.length === 4 &&
      x![1] === w![1]! * attributes.groups &&
      w![0]! % attributes.groups === 0 &&
      (bias === undefined || (bias.length === 1 && bias[0] === w![0]));
    if (!fits) throw shapeError('conv', shapes, `(N,Cin,H,W), (Cout,Cin/${attributes.groups},K,K), (Cout)`);
    return [x![0]!, w![0]!, outputSide(x![2]!, w![2]!, attributes), outputSide(x![3]!, w![3]!, attributes)];
  },
  evaluate([x, w, bias], node) {
    const area = node.shape[2]! * node.shape[3]!;
    const y = new Float64Array(node.shape[0]! * node.shape[1]! * area);
    if (bias) for (let i = 0; i < y.length; i++) y[i] = bias[Math.floor(i / area) % node.shape[1]!]!;
    eachProduct(node.inputs[0]!.shape, node.inputs[1]!.shape, node.shape, node.attributes, (yi, xi, wi) => {
      y[yi]! += x![xi]! * w![wi]!;
    });
    return y;
  },
  gradient(graph, node, dy) {
    const [x, w, bias] = node.inputs as [Node, Node, Node?];
    const dx = convInputGrad(graph, dy, w, x.shape, node.attributes);
    const gradients = [dx, convWeightGrad(graph, x, dy, w.shape, node.attributes)];
    return bias === undefined ? gradients : [...gradients, channelSum(graph, dy)];
  },
};

/** dL/dx (of `shape`) of a convolution, from dL/dy and w. */
const convInputGradOp: Op<ConvAttributes & { shape: Shape }> = {
  name: 'convInputGrad',
  shape: (_shapes, { shape }) => shape,
  evaluate([dy, w], node) {
    const dx = new Float64Array(node.shape.reduce((a, b) => a * b, 1));
    eachProduct(node.shape, node.inputs[1]!.shape, node.inputs[0]!.shape, node.attributes, (yi, xi, wi) => {
      dx[xi]! += dy![yi]! * w![wi]!;
    });
    return dx;
  },
};

/** dL/dw (of `shape`) of a convolution, from x and dL/dy. */
const convWeightGradOp: Op<ConvAttributes & { shape: Shape }> = {
  name: 'convWeightGrad',
  shape: (_shapes, { shape }) => shape,
  evaluate([x, dy], node) {
    const dw = new Float64Array(node.shape.reduce((a, b) => a * b, 1));
    eachProduct(node.inputs[0]!.shape, node.shape, node.inputs[1]!.shape, node.attributes, (yi, xi, wi) => {
      dw[wi]! += dy![yi]! * x![xi]!;
    });
    return dw;
  },
  gradient(graph, node, dw) {
    const [x, dy] = node.inputs as [Node, Node];
    const { shape: _, ...attributes } = node.attributes;
    return [convInputGrad(graph, dy, dw, x.shape, attributes), conv(graph, x, dw, null, attributes)];
  },
};

export function conv(graph: Graph, x: Node, w: Node, bias: Node | null, attributes: ConvAttributes): Node {
  return apply(graph, convOp, bias === null ? [x, w] : [x, w, bias], attributes) as unknown as Node;
}

function convInputGrad(graph: Graph, dy: Node, w: Node, shape: Shape, attributes: ConvAttributes): Node {
  return apply(graph, convInputGradOp, [dy, w], { ...attributes, shape }) as unknown as Node;
}

export function convWeightGrad(graph: Graph, x: Node, dy: Node, shape: Shape, attributes: ConvAttributes): Node {
  return apply(graph, convWeightGradOp, [x, dy], { ...attributes, shape }) as unknown as Node;
}
