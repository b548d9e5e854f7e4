// DenseNet-BC (Huang et al., 2017), table 1, with torchvision's parameter names and initial distributions.
import type { Node } from '../graph/graph.ts';
import { relu } from '../ops/elementwise.ts';
import { averagePool, maxPool } from '../ops/pool.ts';
import { concat } from '../ops/shape.ts';
import {
  averageOverImage,
  batchNorm,
  convBatchNorm,
  convolution,
  dropout,
  fanIn,
  joinMoments,
  linear,
  type Moments,
  momentsOf,
  uniformOver,
} from './layers.ts';
import type { Network } from './network.ts';

/** Layers of the four dense blocks, channels that a layer adds (k), channels of the first convolution. */
export const denseNet169 = { layers: [6, 12, 32, 32], growth: 32, first: 64 } as const;

export interface DenseNetOptions {
  readonly layers: readonly number[];
  readonly growth: number;
  readonly first: number;
  /** Before the classifier; the published network has none. */
  readonly dropout: number;
  readonly classes: number;
}

/** x (N,3,H,W) → logits (N,classes). */
export function denseNet(
  net: Network,
  x: Node,
  { layers, growth, first, dropout: drop, classes }: DenseNetOptions,
): Node {
  const { graph } = net;
  const stem = { kernel: 7, stride: 2, initial: fanIn };
  const open = relu(graph, convBatchNorm(net, 'features.conv0', 'features.norm0', x, first, stem));
  let state = measured(net, maxPool(graph, open, { kernel: 3, stride: 2, pad: 1, ceil: false }));
  layers.forEach((count, i) => {
    for (let j = 1; j <= count; j++)
      state = denseLayer(net, `features.denseblock${i + 1}.denselayer${j}`, state, growth);
    if (i + 1 < layers.length) state = measured(net, transition(net, `features.transition${i + 1}`, state));
  });
  const y = relu(graph, batchNorm(net, 'features.norm5', state.y, 1, state.moments));
  const features = dropout(net, 'classifier', averageOverImage(net, y), drop);
  return linear(net, 'classifier', features, classes, uniformOver(y.shape[1]!));
}

/**
 * Channels that have come together, and their moments. A channel's moments are the same for every norm that reads it: they are
 * taken once, when it joins.
 */
interface State {
  readonly y: Node;
  readonly moments: Moments | null;
}

const measured = (net: Network, y: Node): State => ({ y, moments: momentsOf(net, y) });

/** Norm, ReLU, 1x1 to 4k channels, norm, ReLU, 3x3 to k channels, which join the channels that came in. */
function denseLayer(net: Network, name: string, { y: x, moments }: State, growth: number): State {
  const { graph } = net;
  const open = relu(graph, batchNorm(net, `${name}.norm1`, x, 1, moments));
  const narrow = { kernel: 1, initial: fanIn };
  const middle = relu(graph, convBatchNorm(net, `${name}.conv1`, `${name}.norm2`, open, 4 * growth, narrow));
  const added = measured(net, convolution(net, `${name}.conv2`, middle, growth, { kernel: 3, initial: fanIn }));
  return { y: concat(graph, [x, added.y]), moments: joinMoments(net, moments, added.moments) };
}

/** Between blocks: half the channels, half the side. */
function transition(net: Network, name: string, { y: x, moments }: State): Node {
  const { graph } = net;
  const open = relu(graph, batchNorm(net, `${name}.norm`, x, 1, moments));
  const y = convolution(net, `${name}.conv`, open, x.shape[1]! >> 1, { kernel: 1, initial: fanIn });
  return averagePool(graph, y, { kernel: 2, stride: 2, pad: 0, ceil: false });
}
