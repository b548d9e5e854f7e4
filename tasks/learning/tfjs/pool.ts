// Pooling and its gradients in TensorFlow.js, on images padded here so that windows lie inside ("valid").
import type { NamedAttrMap, NamedTensorMap, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { Node, Shape } from '../graph/graph.ts';
import type { PoolAttributes } from '../ops/pool.ts';
import type { TensorFlow } from './load.ts';
import type { Rule } from './rule.ts';

/** Below every value that a network computes; backends need not know infinity. */
const LOWEST = -3.4028234663852886e38;

const attributesOf = (node: Node): PoolAttributes => node.attributes as unknown as PoolAttributes;

export const poolRules: Readonly<Record<string, Rule>> = {
  maxPool(tf, node, [x]) {
    const { kernel, stride } = attributesOf(node);
    return tf.maxPool(padded(tf, x!, node.inputs[0]!.shape, node.shape, attributesOf(node)), kernel, stride, 'valid');
  },
  maxPoolGrad(tf, node, [dy, x, y]) {
    const { pad } = attributesOf(node);
    const input = padded(tf, x!, node.shape, node.inputs[0]!.shape, attributesOf(node));
    const dx = gradient(tf, 'MaxPoolGrad', { dy: dy!, input, output: y! }, attributesOf(node));
    const [n, c, h, w] = node.shape as [number, number, number, number];
    return tf.slice(dx as Tensor4D, [0, pad, pad, 0], [n, h, w, c]);
  },
  averagePool(tf, node, [x]) {
    const { kernel, stride } = plain(node);
    return tf.avgPool(x as Tensor4D, kernel, stride, 'valid');
  },
  averagePoolGrad(tf, node, [dy]) {
    const [n, c, h, w] = node.shape as [number, number, number, number];
    return gradient(tf, 'AvgPoolGrad', { dy: dy!, input: tf.zeros([n, h, w, c]) }, plain(node));
  },
};

function gradient(
  tf: TensorFlow,
  name: string,
  inputs: Record<string, Tensor>,
  { kernel, stride }: PoolAttributes,
): Tensor {
  const attributes = { filterSize: [kernel, kernel], strides: [stride, stride], pad: 'valid' };
  return tf.engine().runKernel(name, inputs as NamedTensorMap, attributes as unknown as NamedAttrMap) as Tensor;
}

/** The image with what the last window reaches beyond it; `x` and `y` are (N,C,H,W). */
function padded(tf: TensorFlow, image: Tensor, x: Shape, y: Shape, { kernel, stride, pad }: PoolAttributes): Tensor4D {
  const after = (axis: number): number => Math.max(0, (y[axis]! - 1) * stride + kernel - (x[axis]! + pad));
  if (pad === 0 && after(2) === 0 && after(3) === 0) return image as Tensor4D;
  return tf.pad(
    image as Tensor4D,
    [
      [0, 0],
      [pad, after(2)],
      [pad, after(3)],
      [0, 0],
    ],
    LOWEST,
  );
}

function plain(node: Node): PoolAttributes {
  const attributes = attributesOf(node);
  if (attributes.pad !== 0 || attributes.ceil)
    throw new Error('averagePool: windows over an edge are not made for TensorFlow.js');
  return attributes;
}
