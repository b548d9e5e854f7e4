// Convolutions and their gradients in standard operators, images as (N,C,H,W). Weight gradients are matrix products, input
// gradients convolutions with turned weights (or ConvTranspose at a stride).
import type { Node, Shape } from '../graph/graph.ts';
import type { ConvAttributes } from '../ops/convolution.ts';
import type { Lowering } from './lower.ts';

type Dims = readonly [number, number, number, number];

const attributesOf = (node: Node): ConvAttributes => node.attributes as unknown as ConvAttributes;
const area = (shape: Shape): number => shape[2]! * shape[3]!;
const isPointwise = (w: Shape, { stride, groups }: ConvAttributes): boolean =>
  w[2] === 1 && w[3] === 1 && stride === 1 && groups === 1;

export function convAttributes(w: Shape, { stride, pad, groups }: ConvAttributes) {
  return {
    kernel_shape: [w[2]!, w[3]!],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    dilations: [1, 1],
    group: groups,
  };
}

export function standardConv(l: Lowering, node: Node, [x, w, bias]: string[]): string {
  const wShape = node.inputs[1]!.shape;
  const attributes = attributesOf(node);
  return l.emit('Conv', bias === undefined ? [x!, w!] : [x!, w!, bias], convAttributes(wShape, attributes));
}

export function standardConvInputGrad(l: Lowering, node: Node, [dy, w]: string[], exactProducts = false): string {
  const [dyShape, wShape] = node.inputs.map((input) => input.shape) as [Dims, Dims];
  const attributes = attributesOf(node);
  const { stride, pad, groups } = attributes;
  if (isPointwise(wShape, attributes)) {
    const matrix = l.reshape(w!, [wShape[0], wShape[1]]);
    return unflatten(
      l,
      product(l, l.emit('Transpose', [matrix], { perm: [1, 0] }), flatten(l, dy!, dyShape)),
      node.shape,
    );
  }
  const flippedPad = wShape[2] - 1 - pad;
  if (stride === 1) {
    const [turned, turnedShape] = turnedRound(l, w!, wShape, groups, exactProducts);
    return l.emit('Conv', [dy!, turned], convAttributes(turnedShape, { stride: 1, pad: flippedPad, groups }));
  }
  const extra = extraEnd(node.shape, dyShape, wShape, attributes);
  return l.emit('ConvTranspose', [dy!, w!], {
    ...convAttributes(wShape, attributes),
    output_padding: extra,
  });
}

export function standardConvWeightGrad(l: Lowering, node: Node, [x, dy]: string[]): string {
  const [xShape, dyShape] = node.inputs.map((input) => input.shape) as [Dims, Dims];
  const wShape = node.shape as Dims;
  const attributes = attributesOf(node);
  if (isPointwise(wShape, attributes)) {
    const dw = productOverSamples(l, dy!, dyShape, x!, xShape);
    return l.reshape(dw, wShape);
  }
  if (attributes.groups === 1) return denseWeightGrad(l, node, x!, dy!);
  return groupedWeightGrad(l, node, x!, dy!);
}

/** (N,C,H,W) → (N,C,HW). */
const flatten = (l: Lowering, x: string, shape: Dims): string => l.reshape(x, [shape[0], shape[1], area(shape)]);
const unflatten = (l: Lowering, x: string, shape: Shape): string => l.reshape(x, shape);
/** a·bᵀ within each sample. */
const timesTransposed = (l: Lowering, a: string, b: string): string =>
  l.emit('MatMul', [a, l.emit('Transpose', [b], { perm: [0, 2, 1] })]);
const product = (l: Lowering, a: string, b: string): string => l.emit('MatMul', [a, b]);

/** Σ over samples of dy·xᵀ: (N,Cout,HW), (N,Cin,HW) → (Cout,Cin). */
function productOverSamples(l: Lowering, dy: string, dyShape: Dims, x: string, xShape: Dims): string {
  const [n, cout] = dyShape;
  const cin = xShape[1];
  const columns = area(xShape);
  if (n * cout * cin <= columns * (cout + cin) * 4) {
    const each = l.emit(
      'FusedMatMul',
      [flatten(l, dy, dyShape), flatten(l, x, xShape)],
      { transB: 1 },
      'com.microsoft',
    );
    return l.emit('ReduceSum', [each, l.ints([0])], { keepdims: 0 });
  }
  // Few pixels: bring the samples together first, so that one product does it.
  const rows = (t: string, shape: Dims): string => {
    const turned = l.emit('Transpose', [flatten(l, t, shape)], { perm: [1, 0, 2] });
    return l.reshape(turned, [shape[1], n * columns]);
  };
  return l.emit('Gemm', [rows(dy, dyShape), rows(x, xShape)], { transB: 1 });
}

/** w (Cout,Cin/g,K,K) reversed along both kernel axes; by a matrix product where the device does not round its factors. */
export function flip(l: Lowering, w: string, wShape: Shape, exactProducts = false): string {
  if (wShape[2]! * wShape[3]! === 1) return w;
  const taps = wShape[2]! * wShape[3]!;
  const flat = l.reshape(w, [wShape[0]! * wShape[1]!, taps]);
  if (exactProducts) {
    // Ten times faster than moving values one by one.
    const reversal = Array.from({ length: taps * taps }, (_, i) =>
      Number(i % taps === taps - 1 - Math.floor(i / taps)),
    );
    return l.reshape(l.emit('MatMul', [flat, l.floats(Float32Array.from(reversal), [taps, taps])]), wShape);
  }
  const order = l.ints(Array.from({ length: taps }, (_, i) => taps - 1 - i));
  return l.reshape(l.emit('Gather', [flat, order], { axis: 1 }), wShape);
}

/** The weights, and their shape, of the convolution that takes dy back to dx at stride 1. */
export function turnedRound(
  l: Lowering,
  w: string,
  wShape: Shape,
  groups: number,
  exactProducts = false,
): [string, Shape] {
  const [cout, perGroup, k] = wShape as Dims;
  const turned = transposeGroups(l, flip(l, w, wShape, exactProducts), wShape as Dims, groups);
  return [turned, [perGroup * groups, cout / groups, k, k]];
}

/** (Cout,Cin/g,K,K) → (Cin,Cout/g,K,K): input and output change places within each group. */
function transposeGroups(l: Lowering, w: string, [cout, perGroup, kh, kw]: Dims, groups: number): string {
  const grouped = l.reshape(w, [groups, cout / groups, perGroup, kh * kw]);
  const turned = l.emit('Transpose', [grouped], { perm: [0, 2, 1, 3] });
  return l.reshape(turned, [groups * perGroup, cout / groups, kh, kw]);
}

/** Rows and columns at the end of x that no window of the forward convolution covers. */
export function extraEnd(x: Shape, y: Shape, w: Shape, { stride, pad }: ConvAttributes): [number, number] {
  const extra = (axis: number): number => x[axis]! - ((y[axis]! - 1) * stride + w[axis]! - 2 * pad);
  return [extra(2), extra(3)];
}

/** x, padded, shifted and strided so that it lies under dy for the tap (r, s): (N,Cin,Ho·Wo). */
function tap(l: Lowering, padded: string, r: number, s: number, stride: number, x: Dims, dy: Dims): string {
  const end = (from: number, count: number): number => from + (count - 1) * stride + 1;
  const cut = l.emit('Slice', [
    padded,
    l.ints([r, s]),
    l.ints([end(r, dy[2]), end(s, dy[3])]),
    l.ints([2, 3]),
    l.ints([stride, stride]),
  ]);
  return l.reshape(cut, [x[0], x[1], area(dy)]);
}

function padImage(l: Lowering, x: string, pad: number): string {
  return pad === 0 ? x : l.emit('Pad', [x, l.ints([0, 0, pad, pad, 0, 0, pad, pad])]);
}

/** A dense weight gradient: one product of dy with all shifts of x side by side. */
function denseWeightGrad(l: Lowering, node: Node, x: string, dy: string): string {
  const [xShape, dyShape] = node.inputs.map((input) => input.shape) as [Dims, Dims];
  const [cout, cin, k] = node.shape as Dims;
  const { stride, pad } = attributesOf(node);
  const padded = padImage(l, x, pad);
  const taps: string[] = [];
  for (let r = 0; r < k; r++) for (let s = 0; s < k; s++) taps.push(tap(l, padded, r, s, stride, xShape, dyShape));
  const columns = taps.length === 1 ? taps[0]! : l.emit('Concat', taps, { axis: 1 });
  const each = timesTransposed(l, flatten(l, dy, dyShape), columns);
  const dw = l.emit('ReduceSum', [each, l.ints([0])], { keepdims: 0 }); // (Cout, K·K·Cin)
  const turned = l.emit('Transpose', [l.reshape(dw, [cout, k * k, cin])], { perm: [0, 2, 1] });
  return l.reshape(turned, node.shape);
}

/** A grouped weight gradient: for each tap a product within each sample and group. */
function groupedWeightGrad(l: Lowering, node: Node, x: string, dy: string): string {
  const [xShape, dyShape] = node.inputs.map((input) => input.shape) as [Dims, Dims];
  const [cout, perGroup, k] = node.shape as Dims;
  const { stride, pad, groups } = attributesOf(node);
  const [n, cin] = xShape;
  const columns = area(dyShape);
  const padded = padImage(l, x, pad);
  const dyGroups = l.reshape(dy, [n * groups, cout / groups, columns]);
  const taps: string[] = [];
  for (let r = 0; r < k; r++)
    for (let s = 0; s < k; s++) {
      const shifted = tap(l, padded, r, s, stride, xShape, dyShape);
      const groupsOfX = l.reshape(shifted, [n * groups, cin / groups, columns]);
      const each = timesTransposed(l, dyGroups, groupsOfX);
      const samples = l.reshape(each, [n, cout * perGroup]);
      taps.push(l.reshape(l.emit('ReduceSum', [samples, l.ints([0])], { keepdims: 0 }), [cout, perGroup, 1]));
    }
  return l.reshape(taps.length === 1 ? taps[0]! : l.emit('Concat', taps, { axis: 2 }), node.shape);
}
