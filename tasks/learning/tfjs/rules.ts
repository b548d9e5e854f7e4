// One rule an operation, in TensorFlow.js. An image is (N,H,W,C) between rules, the only layout that all backends compute
// convolutions in; everything else is as its shape says. Rules run inside a tidy.
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Node, Shape } from '../graph/graph.ts';
import { constantValues } from '../ops/elementwise.ts';
import { convolutionRules } from './convolution.ts';
import { poolRules } from './pool.ts';
import type { Rule } from './rule.ts';

/** (N,C,H,W) → (N,H,W,C). */
export const imageShape = ([n, c, h, w]: Shape): [number, number, number, number] => [n!, h!, w!, c!];

const alongRows = (node: Node): number[] => node.shape.map((n, i) => (i === 0 ? n : 1));

export const rules: Readonly<Record<string, Rule>> = {
  add: (tf, _node, [a, b]) => tf.add(a!, b!),
  sub: (tf, _node, [a, b]) => tf.sub(a!, b!),
  mul: (tf, _node, [a, b]) => tf.mul(a!, b!),
  affine: (tf, { attributes }, [x]) => {
    const { scale, shift } = attributes as { scale: number; shift: number };
    return tf.add(tf.mul(x!, scale), shift);
  },
  rsqrt: (tf, { attributes }, [x]) => tf.rsqrt(tf.add(x!, attributes.epsilon as number)),
  sigmoid: (tf, _node, [x]) => tf.sigmoid(x!),
  softplus: (tf, _node, [x]) => tf.softplus(x!),
  relu: (tf, _node, [x]) => tf.relu(x!),
  reluGrad: (tf, _node, [dy, y]) => tf.mul(dy!, tf.step(y!)),
  swish: (tf, _node, [x]) => tf.mul(x!, tf.sigmoid(x!)),
  swishGrad: (tf, _node, [dy, x, y]) => tf.mul(dy!, tf.add(tf.mul(tf.sigmoid(x!), tf.sub(1, y!)), y!)),
  constant: (tf, node) => {
    const values = constantValues(node.attributes as { shape: Shape; values: number[] });
    return tf.tensor(Float32Array.from(values), [...node.shape], 'float32');
  },

  matmul: (tf, { attributes }, [a, b]) =>
    tf.matMul(a!, b!, attributes.transposeA as boolean, attributes.transposeB as boolean),
  rowScale: (tf, node, [x, s]) => tf.mul(x!, tf.reshape(s!, alongRows(node))),
  rowDot: (tf, node, [x, y]) => tf.sum(tf.reshape(tf.mul(x!, y!), [node.shape[0]!, -1]), 1),
  join: (tf, _node, xs) => tf.concat(xs, 0),
  cut: (tf, node, [x]) => tf.slice(x!, [node.attributes.start as number], [...node.shape]),
  reshape: (tf, node, [x]) => tf.reshape(x!, [...node.shape]),
  sum: (tf, _node, [x]) => tf.reshape(tf.sum(x!), [1]),
  fill: (tf, node, [x]) =>
    tf.broadcastTo(
      tf.reshape(
        x!,
        node.shape.map(() => 1),
      ),
      [...node.shape],
    ),

  channelSum: (tf, _node, [x]) => tf.sum(x!, [0, 1, 2]),
  channelDot: (tf, _node, [x, y]) => tf.sum(tf.mul(x!, y!), [0, 1, 2]),
  channelDeviation: (tf, _node, [x, m]) => tf.sum(tf.square(tf.sub(x!, m!)), [0, 1, 2]),
  scaleShift: (tf, _node, [x, scale, shift]) => tf.add(tf.mul(x!, scale!), shift!),
  channelScale: (tf, _node, [x, scale]) => tf.mul(x!, scale!),
  channelBroadcast: (tf, node, [v]) => tf.broadcastTo(tf.reshape(v!, [1, 1, 1, -1]), imageShape(node.shape)),
  spatialSum: (tf, _node, [x]) => tf.sum(x!, [1, 2], true),
  spatialDot: (tf, _node, [x, y]) => tf.sum(tf.mul(x!, y!), [1, 2], true),
  gate: (tf, _node, [x, g]) => tf.mul(x!, g!),
  gateShift: (tf, _node, [x, g, p]) => tf.add(tf.mul(x!, g!), p!),
  spatialBroadcast: (tf, node, [v]) => tf.broadcastTo(v!, imageShape(node.shape)),
  sampleScale: (tf, _node, [x, m]) => tf.mul(x!, tf.reshape(m!, [-1, 1, 1, 1])),

  flatten: (tf, node, [x]) => tf.reshape(x!, [...node.shape]),
  unflatten: (tf, node, [x]) => tf.reshape(x!, imageShape(node.shape)),
  concat: (tf, _node, xs) => tf.concat(xs as Tensor4D[], 3),
  sliceChannels: (tf, node, [x]) =>
    tf.slice(x as Tensor4D, [0, 0, 0, node.attributes.start as number], imageShape(node.shape)),
  padChannels: (tf, { attributes }, [x]) => {
    const channels: [number, number] = [attributes.before as number, attributes.after as number];
    return tf.pad(x!, [[0, 0], [0, 0], [0, 0], channels]);
  },

  ...convolutionRules,
  ...poolRules,
};
