// Convolutions and their gradients on the CPU, images as rows of channels (cpuLayout.ts). Weights change from step to step,
// so the runtime's own transforms of constant weights never apply; each case takes what was measured fastest.
// - pointwise: one matrix product;
// - depthwise: the runtime's blocked convolution, the weight gradient too (a convolution of x by dy);
// - few input channels (the stem): a matrix product over all shifts of x, shared with the weight gradient;
// - dense and grouped: the runtime's blocked convolution where blocks are filled (cpuBlocked.ts), else the plain operator on
//   (N,C,H,W); weight gradients as matrix products over shifts, and the input gradient with them where dy is the smaller image.
import type { Node, Shape } from '../graph/graph.ts';
import type { ConvAttributes } from '../ops/convolution.ts';
import { blockedConv, fitsBlocks, NCHWC } from './cpuBlocked.ts';
import { type CpuLayout, fromImages, sidesOf, toImages } from './cpuLayout.ts';
import { isHalved, keepsSides, shifts, shiftsBack, spreadOut, tapPairs } from './cpuShifts.ts';
import type { Lowering, Rule, Rules } from './lower.ts';
import { extraEnd, flip, standardConv, standardConvInputGrad, turnedRound } from './standardConvolution.ts';

const FEW_CHANNELS = 4;

const attributesOf = (node: Node): ConvAttributes => node.attributes as unknown as ConvAttributes;
const isPointwise = (w: Shape, { stride, groups }: ConvAttributes): boolean =>
  w[2] === 1 && w[3] === 1 && stride === 1 && groups === 1;
const isDepthwise = (w: Shape, { groups }: ConvAttributes): boolean => w[1] === 1 && w[0] === groups;

/** Shifts are copies: they are taken of dy where that has fewer channels and the same sides. */
const isNarrow = (w: Shape, attributes: ConvAttributes): boolean =>
  attributes.groups === 1 && keepsSides(w[2]!, attributes) && w[0]! < w[1]!;

export function cpuConvolutions(layout: CpuLayout): Rules {
  return {
    conv: (l, node, inputs) => {
      const w = node.inputs[1]!.shape;
      const y = forward(w, attributesOf(node))(l, node, inputs);
      return inputs[2] === undefined ? y : l.emit('Add', [y, l.reshape(inputs[2], [w[0]!, 1])]);
    },
    convInputGrad: (l, node, inputs) => inputGrad(node.inputs[1]!.shape, attributesOf(node))(l, node, inputs),
    convWeightGrad: (l, node, inputs) => weightGrad(node.shape, attributesOf(node))(l, node, inputs),
  };

  function forward(w: Shape, attributes: ConvAttributes): Rule {
    if (isPointwise(w, attributes)) return (l, _node, [x, m]) => l.emit('MatMul', [l.reshape(m!, [w[0]!, w[1]!]), x!]);
    if (isDepthwise(w, attributes)) return (l, node, [x, m]) => depthwise(l, node, x!, m!, layout);
    // A pointwise convolution at a stride is one of the pixels that it sees.
    if (attributes.groups === 1 && (w[1]! <= FEW_CHANNELS || w[2] === 1)) return stem;
    return (l, node, [x, m]) => {
      const image = toImages(l, x!, node.inputs[0]!.shape, layout);
      const y = fitsBlocks(w, attributes, layout)
        ? blockedConv(l, image, m!, w, attributes, layout)
        : standardConv(l, node, [image, m!]);
      return fromImages(l, y, node.shape, layout);
    };
  }

  function stem(l: Lowering, node: Node, [x, w]: string[]): string {
    const [cout, cin, k] = node.inputs[1]!.shape as [number, number, number];
    const turned = l.emit('Transpose', [l.reshape(w!, [cout, cin, k * k])], { perm: [0, 2, 1] });
    const columns = shifts(l, x!, node.inputs[0]!.shape, node.shape, k, attributesOf(node), layout);
    return l.emit('MatMul', [l.reshape(turned, [cout, k * k * cin]), columns]);
  }

  function inputGrad(w: Shape, attributes: ConvAttributes): Rule {
    if (isPointwise(w, attributes)) {
      return (l, _node, [dy, m]) => l.emit('MatMul', [turnedMatrix(l, m!, w), dy!]);
    }
    if (isDepthwise(w, attributes)) return (l, node, [dy, m]) => depthwiseInputGrad(l, node, dy!, m!, layout);
    if (isNarrow(w, attributes)) return narrowInputGrad;
    return (l, node, [dy, m]) => {
      const dyShape = node.inputs[0]!.shape;
      const { stride, pad, groups } = attributes;
      const halved = isHalved(node.shape, dyShape, stride, layout);
      if (halved && w[2] === 1 && groups === 1) {
        return spreadOut(l, l.emit('MatMul', [turnedMatrix(l, m!, w), dy!]), node.shape, layout);
      }
      const inBlocks = fitsBlocks(w, attributes, layout) && (stride === 1 || (halved && 2 * pad === w[2]! - 1));
      if (!inBlocks) {
        const image = toImages(l, dy!, dyShape, layout);
        return fromImages(l, standardConvInputGrad(l, node, [image, m!], true), node.shape, layout);
      }
      // At a stride, dy with zeros between its pixels, which is as large as x.
      const spread = halved ? spreadOut(l, dy!, node.shape, layout) : dy!;
      const image = toImages(l, spread, halved ? node.shape : dyShape, layout);
      const [turned, turnedShape] = turnedRound(l, m!, w, groups, true);
      const back = { stride: 1, pad: w[2]! - 1 - pad, groups };
      return fromImages(l, blockedConv(l, image, turned, turnedShape, back, layout), node.shape, layout);
    };
  }

  /** dx = w·(all shifts of dy), which the weight gradient needs too. */
  function narrowInputGrad(l: Lowering, node: Node, [dy, w]: string[]): string {
    const [cout, cin, k] = node.inputs[1]!.shape as [number, number, number];
    const turned = l.emit('Transpose', [l.reshape(w!, [cout, cin, k * k])], { perm: [1, 2, 0] });
    const columns = shiftsBack(l, dy!, node.inputs[0]!.shape, k, attributesOf(node), layout);
    return l.emit('MatMul', [l.reshape(turned, [cin, k * k * cout]), columns]);
  }

  function weightGrad(w: Shape, attributes: ConvAttributes): Rule {
    if (isPointwise(w, attributes)) {
      return (l, _node, [x, dy]) => l.reshape(l.emit('FusedMatMul', [dy!, x!], { transB: 1 }, 'com.microsoft'), w);
    }
    if (isDepthwise(w, attributes)) return (l, node, [x, dy]) => depthwiseWeightGrad(l, node, x!, dy!, layout);
    if (attributes.groups > 1) return groupedWeightGrad;
    return isNarrow(w, attributes) ? narrowWeightGrad : denseWeightGrad;
  }

  /** dL/dw = dy·(all shifts of x)ᵀ, the rows of the shifts in the order (tap, channel). */
  function denseWeightGrad(l: Lowering, node: Node, [x, dy]: string[]): string {
    const [cout, cin, k] = node.shape as [number, number, number];
    const [xShape, dyShape] = [node.inputs[0]!.shape, node.inputs[1]!.shape];
    const columns = shifts(l, x!, xShape, dyShape, k, attributesOf(node), layout);
    const dw = l.emit('FusedMatMul', [dy!, columns], { transB: 1 }, 'com.microsoft');
    const turned = l.emit('Transpose', [l.reshape(dw, [cout, k * k, cin])], { perm: [0, 2, 1] });
    return l.reshape(turned, node.shape);
  }

  /** The same with shifts of dy, which go the other way: dL/dw[tap] = (dy shifted by -tap)·xᵀ. */
  function narrowWeightGrad(l: Lowering, node: Node, [x, dy]: string[]): string {
    const [cout, cin, k] = node.shape as [number, number, number];
    const dyShape = node.inputs[1]!.shape;
    const columns = shiftsBack(l, dy!, dyShape, k, attributesOf(node), layout);
    const dw = l.emit('FusedMatMul', [columns, x!], { transB: 1 }, 'com.microsoft');
    const turned = l.emit('Transpose', [l.reshape(dw, [k * k, cout, cin])], { perm: [1, 2, 0] });
    return l.reshape(turned, node.shape);
  }

  function groupedWeightGrad(l: Lowering, node: Node, [x, dy]: string[]): string {
    const [cout, perGroup, k] = node.shape as [number, number, number];
    const { groups } = attributesOf(node);
    const [xShape, dyShape] = [node.inputs[0]!.shape, node.inputs[1]!.shape];
    const { columns } = sidesOf(dyShape, layout);
    const each = tapPairs(l, x!, dy!, xShape, dyShape, k, attributesOf(node), layout).map(([xTap, dyTap]) => {
      const dyGroups = l.reshape(dyTap, [groups, cout / groups, columns]);
      const xGroups = l.reshape(xTap, [groups, perGroup, columns]);
      const dw = l.emit('FusedMatMul', [dyGroups, xGroups], { transB: 1 }, 'com.microsoft');
      return l.reshape(dw, [cout, perGroup, 1]);
    });
    return l.reshape(each.length === 1 ? each[0]! : l.emit('Concat', each, { axis: 2 }), node.shape);
  }
}

/** The weights of a pointwise convolution, turned: a product with them as they lie, read across, is a third slower. */
const turnedMatrix = (l: Lowering, m: string, [cout, cin]: Shape): string =>
  l.emit('Transpose', [l.reshape(m, [cout!, cin!])], { perm: [1, 0] });

/** The runtime sees one image of N·C channels; a row's weights serve all its planes. */
function depthwise(l: Lowering, node: Node, x: string, w: string, layout: CpuLayout): string {
  const [xShape, wShape] = [node.inputs[0]!.shape, node.inputs[1]!.shape];
  const { c, columns } = sidesOf(node.shape, layout);
  const { stride, pad } = attributesOf(node);
  const planes = xShape[0]! * c;
  const options = { ...geometry(wShape, stride, [pad, pad, pad, pad]), group: planes };
  const image = l.reshape(x, [1, planes, xShape[2]!, xShape[3]!]);
  return l.reshape(convolvePlanes(l, image, w, wShape, options, node.shape, layout), [c, columns]);
}

function geometry(w: Shape, stride: number, pads: readonly number[]) {
  return { kernel_shape: [w[2]!, w[3]!], strides: [stride, stride], pads, dilations: [1, 1] };
}

type ConvOptions = ReturnType<typeof geometry> & { readonly group: number };

/** A depthwise convolution of (1, N·C, H, W), in the layout; in blocks where the processor has them. */
function convolvePlanes(
  l: Lowering,
  image: string,
  w: string,
  wShape: Shape,
  options: ConvOptions,
  yShape: Shape,
  layout: CpuLayout,
): string {
  const [c, , kh, kw] = wShape as [number, number, number, number];
  const perChannel = options.group / c;
  const { lanes, block } = layout;
  if (lanes > 1) {
    // A product with ones is 10 times faster than Expand along the last axis.
    const ones = l.floats(new Float32Array(lanes).fill(1), [1, lanes]);
    const inLanes = l.emit('MatMul', [l.reshape(w, [c * kh * kw, 1]), ones]);
    const open = l.reshape(inLanes, [c, 1, kh * kw * lanes]);
    const groups = perChannel / lanes;
    const spread = groups === 1 ? open : l.emit('Expand', [open, l.ints([c, groups, kh * kw * lanes])]);
    return l.emit('Conv', [image, l.reshape(spread, [options.group, 1, kh, kw])], options, NCHWC);
  }
  const each = l.emit('Expand', [l.reshape(w, [c, 1, kh * kw]), l.ints([c, perChannel, kh * kw])]);
  if (block === 1 || options.group % block !== 0) {
    return l.emit('Conv', [image, l.reshape(each, [options.group, 1, kh, kw])], options);
  }
  const rows = l.reshape(each, [options.group / block, block, kh * kw]);
  const blocked = l.reshape(l.emit('Transpose', [rows], { perm: [0, 2, 1] }), [options.group, 1, kh, kw]);
  const x = l.emit('ReorderInput', [image], { channels_last: 0 }, NCHWC);
  const y = l.emit('Conv', [x, blocked], options, NCHWC);
  return l.emit('ReorderOutput', [y], { channels: yShape[0]! * yShape[1]!, channels_last: 0 }, NCHWC);
}

/** A convolution of dy with the kernel turned round; at a stride, of dy with zeros between its pixels. */
function depthwiseInputGrad(l: Lowering, node: Node, dy: string, w: string, layout: CpuLayout): string {
  const [dyShape, wShape] = [node.inputs[0]!.shape, node.inputs[1]!.shape];
  const attributes = attributesOf(node);
  const { stride, pad } = attributes;
  const { c, columns, groups, h, w: width } = sidesOf(dyShape, layout);
  const before = wShape[2]! - 1 - pad;
  const after = extraEnd(node.shape, dyShape, wShape, attributes).map((extra) => before + extra - (stride - 1));
  const stuffed = stride === 1 ? dy : stuffZeros(l, dy, [c * groups, h, width, layout.lanes], stride);
  const planes = dyShape[0]! * c;
  const image = l.reshape(stuffed, [1, planes, h * stride, width * stride]);
  const options = { ...geometry(wShape, 1, [before, before, ...after]), group: planes };
  const dx = convolvePlanes(l, image, flip(l, w, wShape, true), wShape, options, node.shape, layout);
  return l.reshape(dx, [c, (columns / (h * width)) * node.shape[2]! * node.shape[3]!]);
}

/** Zeros after every row and column: (P, H, W, lanes) → (P, sH, sW, lanes). */
function stuffZeros(
  l: Lowering,
  x: string,
  [p, h, w, lanes]: readonly [number, number, number, number],
  stride: number,
): string {
  if (lanes === 1) {
    const open = l.reshape(x, [p, h, 1, w, lanes]);
    return l.emit('Pad', [open, l.ints([0, 0, 0, 0, 0, 0, 0, stride - 1, 0, stride - 1])]);
  }
  // Pixels repeated, then all but the first of each taken out: threads share both passes, where Pad is by one.
  const image = l.reshape(x, [1, p * lanes, h, w]);
  const repeated = l.emit('Upsample', [image], { scales: [1, 1, stride, stride] }, NCHWC);
  const row = stride * w * lanes;
  const first = Float32Array.from({ length: stride * row }, (_, i) => Number(i < row && i % (stride * lanes) < lanes));
  return l.emit('Mul', [l.reshape(repeated, [p * h, stride * row]), l.floats(first, [stride * row])]);
}

/**
 * A depthwise weight gradient is a depthwise convolution of x by dy, a K×K result for every plane; the forward's stride is
 * the kernel's dilation. In the blocked layout dy can serve as the kernel as it lies. Then the sum over a channel's planes.
 */
function depthwiseWeightGrad(l: Lowering, node: Node, x: string, dy: string, layout: CpuLayout): string {
  const [xShape, dyShape] = [node.inputs[0]!.shape, node.inputs[1]!.shape];
  const [c, , k] = node.shape as [number, number, number];
  const { stride, pad } = attributesOf(node);
  const planes = xShape[0]! * c;
  const ends = extraEnd(xShape, dyShape, node.shape, attributesOf(node)).map((extra) => pad - extra);
  const options = {
    kernel_shape: [dyShape[2]!, dyShape[3]!],
    strides: [1, 1],
    dilations: [stride, stride],
    pads: [pad, pad, ...ends],
    group: planes,
  };
  const image = l.reshape(x, [1, planes, xShape[2]!, xShape[3]!]);
  const kernel = l.reshape(dy, [planes, 1, dyShape[2]!, dyShape[3]!]);
  const { lanes, block } = layout;
  if (lanes > 1) {
    const each = l.reshape(l.emit('Conv', [image, kernel], options, NCHWC), [c, planes / c / lanes, k * k, lanes]);
    return l.reshape(l.emit('ReduceSum', [each, l.ints([1, 3])], { keepdims: 0 }), node.shape);
  }
  let each: string;
  if (block === 1 || planes % block !== 0) each = l.emit('Conv', [image, kernel], options);
  else {
    const reorder = (t: string): string => l.emit('ReorderInput', [t], { channels_last: 0 }, NCHWC);
    const dyImage = l.reshape(dy, [1, planes, dyShape[2]!, dyShape[3]!]);
    const blocked = l.reshape(reorder(dyImage), [planes, 1, dyShape[2]!, dyShape[3]!]);
    const y = l.emit('Conv', [reorder(image), blocked], options, NCHWC);
    each = l.emit('ReorderOutput', [y], { channels: planes, channels_last: 0 }, NCHWC);
  }
  const sums = l.emit('ReduceSum', [l.reshape(each, [c, planes / c, k * k]), l.ints([1])], { keepdims: 0 });
  return l.reshape(sums, node.shape);
}
