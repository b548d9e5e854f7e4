// Convolutions and their gradients in TensorFlow.js. Padding is added and cut off here, since backends differ in what they
// take; weights are (Cout,Cin/groups,K,K) outside and (K,K,Cin,Cout) for the kernels; groups other than one or one a channel,
// which TensorFlow.js lacks, are taken apart and put together.
import type { NamedAttrMap, NamedTensorMap, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { Node, Shape } from '../graph/graph.ts';
import type { ConvAttributes } from '../ops/convolution.ts';
import type { TensorFlow } from './load.ts';
import type { Rule } from './rule.ts';

type Dims = [number, number, number, number];

const attributesOf = (node: Node): ConvAttributes => node.attributes as unknown as ConvAttributes;
const kernel = (tf: TensorFlow, name: string, inputs: Record<string, Tensor>, attributes: object): Tensor =>
  tf.engine().runKernel(name, inputs as NamedTensorMap, attributes as NamedAttrMap) as Tensor;

export const convolutionRules: Readonly<Record<string, Rule>> = {
  conv(tf, node, [x, w, bias]) {
    const attributes = attributesOf(node);
    const padded = padImage(tf, x as Tensor4D, attributes.pad);
    const depthwise = isDepthwise(node.inputs[0]!.shape, node.inputs[1]!.shape, attributes);
    const y = byGroups(tf, [padded, 3], [w!, 0], 3, depthwise ? 1 : attributes.groups, (part, weights) =>
      depthwise
        ? tf.depthwiseConv2d(part, depthwiseFilter(tf, weights), attributes.stride, 'valid')
        : tf.conv2d(part, filter(tf, weights), attributes.stride, 'valid'),
    );
    return bias === undefined ? y : tf.add(y, bias);
  },

  convInputGrad(tf, node, [dy, w]) {
    const attributes = attributesOf(node);
    const { stride, pad, groups } = attributes;
    const [n, c, h, width] = node.shape as Dims;
    const depthwise = isDepthwise(node.shape, node.inputs[1]!.shape, attributes);
    const padded: Dims = [n, h + 2 * pad, width + 2 * pad, depthwise ? c : c / groups];
    const dx = byGroups(tf, [dy!, 3], [w!, 0], 3, depthwise ? 1 : groups, (part, weights) =>
      depthwise
        ? kernel(
            tf,
            'DepthwiseConv2dNativeBackpropInput',
            { dy: part, filter: depthwiseFilter(tf, weights) },
            { strides: [stride, stride], pad: 'valid', dilations: [1, 1], inputShape: padded },
          )
        : tf.conv2dTranspose(part, filter(tf, weights), padded, stride, 'valid'),
    );
    return tf.slice(dx as Tensor4D, [0, pad, pad, 0], [n, h, width, c]);
  },

  convWeightGrad(tf, node, [x, dy]) {
    const attributes = attributesOf(node);
    const { stride, pad, groups } = attributes;
    const [cout, perGroup, k] = node.shape as Dims;
    const depthwise = isDepthwise(node.inputs[0]!.shape, node.shape, attributes);
    const common = { strides: [stride, stride], pad: 'valid' };
    const padded = padImage(tf, x as Tensor4D, pad);
    return byGroups(tf, [padded, 3], [dy!, 3], 0, depthwise ? 1 : groups, (part, gradient) => {
      const inputs = { x: part, dy: gradient };
      if (depthwise) {
        const more = { dilations: [1, 1], filterShape: [k, k, cout, 1] };
        const dw = kernel(tf, 'DepthwiseConv2dNativeBackpropFilter', inputs, { ...common, ...more });
        return tf.transpose(dw, [2, 3, 0, 1]);
      }
      const more = { dataFormat: 'NHWC', filterShape: [k, k, perGroup, cout / groups] };
      return tf.transpose(kernel(tf, 'Conv2DBackpropFilter', inputs, { ...common, ...more }), [3, 2, 0, 1]);
    });
  },
};

/** One filter a channel, the kind that has kernels of its own. */
const isDepthwise = (x: Shape, w: Shape, { groups }: ConvAttributes): boolean =>
  groups > 1 && groups === x[1] && groups === w[0];

/** (Cout,Cin,K,K) → (K,K,Cin,Cout). */
const filter = (tf: TensorFlow, w: Tensor): Tensor4D => tf.transpose(w as Tensor4D, [2, 3, 1, 0]);

/** (C,1,K,K) → (K,K,C,1). */
const depthwiseFilter = (tf: TensorFlow, w: Tensor): Tensor4D => tf.transpose(w as Tensor4D, [2, 3, 0, 1]);

function padImage(tf: TensorFlow, x: Tensor4D, pad: number): Tensor4D {
  if (pad === 0) return x;
  return tf.pad(x, [
    [0, 0],
    [pad, pad],
    [pad, pad],
    [0, 0],
  ]);
}

/** Does a grouped convolution group by group: both operands are cut along their axis, results joined along `joinAxis`. */
function byGroups(
  tf: TensorFlow,
  [a, axisA]: readonly [Tensor, number],
  [b, axisB]: readonly [Tensor, number],
  joinAxis: number,
  groups: number,
  one: (a: Tensor4D, b: Tensor4D) => Tensor,
): Tensor {
  if (groups === 1) return one(a as Tensor4D, b as Tensor4D);
  const [as, bs] = [tf.split(a, groups, axisA), tf.split(b, groups, axisB)];
  const parts = as.map((part, i) => one(part as Tensor4D, bs[i] as Tensor4D));
  return tf.concat(parts as Tensor4D[], joinAxis);
}
