// The layers that the published networks are made of. Parameters are declared under the names of torchvision's state
// dictionary, with torchvision's initial distributions.
import type { Node } from '../graph/graph.ts';
import { channelDot, channelSum, gate, sampleScale, scaleShift, spatialSum } from '../ops/channel.ts';
import { conv } from '../ops/convolution.ts';
import { add, affine, mul, relu, rsqrt, sigmoid, sub, swish } from '../ops/elementwise.ts';
import { rowScale } from '../ops/matrix.ts';
import { flatten, reshape } from '../ops/shape.ts';
import { buffer, type Initial, mask, type Network, parameter } from './network.ts';

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  /** Half the kernel where absent ("same"). */
  readonly pad?: number;
}

/** Kaiming normal over the fan out, as torchvision's networks draw their convolutions. */
export function fanOut(shape: readonly number[]): Initial {
  return { kind: 'normal', std: Math.sqrt(2 / (shape[0]! * shape[2]! * shape[3]!)) };
}

/** A convolution without bias, weight `${name}.weight`. */
export function convolution(net: Network, name: string, x: Node, channels: number, options: ConvOptions): Node {
  const { w, attributes } = convolutionWeight(net, name, x, channels, options);
  return conv(net.graph, x, w, null, attributes);
}

function convolutionWeight(net: Network, name: string, x: Node, channels: number, options: ConvOptions) {
  const { kernel, stride = 1, groups = 1, pad = (kernel - 1) >> 1 } = options;
  const shape = [channels, x.shape[1]! / groups, kernel, kernel];
  return { w: parameter(net, `${name}.weight`, shape, fanOut(shape)), attributes: { stride, pad, groups } };
}

/** The scale and shift that normalise a tensor, from its batch (training) or its running statistics (inference). */
function normalisation(net: Network, name: string, channels: number, x: Node | null): { scale: Node; shift: Node } {
  const { graph } = net;
  const { epsilon } = net.batchNorm;
  const gamma = parameter(net, `${name}.weight`, [channels], { kind: 'constant', value: 1 });
  const beta = parameter(net, `${name}.bias`, [channels], { kind: 'constant', value: 0 });
  const runningMean = buffer(net, `${name}.running_mean`, [channels], 0);
  const runningVar = buffer(net, `${name}.running_var`, [channels], 1);
  const [mean, variance] = x === null ? [runningMean, runningVar] : batchStatistics(net, name, x);
  const scale = mul(graph, gamma, rsqrt(graph, variance, epsilon));
  return { scale, shift: sub(graph, beta, mul(graph, mean, scale)) };
}

/** Mean and biased variance over N, H and W; the running variance follows the unbiased one, as in PyTorch. */
function batchStatistics(net: Network, name: string, x: Node): [Node, Node] {
  const { graph } = net;
  const [n, , h, w] = x.shape as [number, number, number, number];
  const count = n * h * w;
  if (count < 2) throw new Error(`${name}: batch norm needs more than one value a channel, x is [${x.shape}]`);
  const mean = affine(graph, channelSum(graph, x), 1 / count, 0);
  const square = affine(graph, channelDot(graph, x, x), 1 / count, 0);
  const variance = relu(graph, sub(graph, square, mul(graph, mean, mean)));
  net.statistics.set(`${name}.running_mean`, mean);
  net.statistics.set(`${name}.running_var`, affine(graph, variance, count / (count - 1), 0));
  return [mean, variance];
}

export function batchNorm(net: Network, name: string, x: Node): Node {
  const { scale, shift } = normalisation(net, name, x.shape[1]!, net.mode === 'train' ? x : null);
  return scaleShift(net.graph, x, scale, shift);
}

/** Convolution and batch norm. In inference the norm is folded into the convolution's weight and bias. */
export function convBatchNorm(
  net: Network,
  convName: string,
  normName: string,
  x: Node,
  channels: number,
  options: ConvOptions,
): Node {
  if (net.mode === 'train') return batchNorm(net, normName, convolution(net, convName, x, channels, options));
  const { w, attributes } = convolutionWeight(net, convName, x, channels, options);
  const { scale, shift } = normalisation(net, normName, channels, null);
  return conv(net.graph, x, rowScale(net.graph, w, scale), shift, attributes);
}

/** A pointwise convolution with bias on (N,C,1,1). */
function pointwise(net: Network, name: string, x: Node, channels: number): Node {
  const shape = [channels, x.shape[1]!, 1, 1];
  const w = parameter(net, `${name}.weight`, shape, fanOut(shape));
  const b = parameter(net, `${name}.bias`, [channels], { kind: 'constant', value: 0 });
  return conv(net.graph, x, w, b, { stride: 1, pad: 0, groups: 1 });
}

export function averageOverImage(net: Network, x: Node): Node {
  return affine(net.graph, spatialSum(net.graph, x), 1 / (x.shape[2]! * x.shape[3]!), 0);
}

/** Squeeze-and-excitation (Hu et al., 2018): a factor a channel from the image's mean. Names fc1 and fc2. */
export function squeezeExcite(
  net: Network,
  name: string,
  x: Node,
  squeezed: number,
  activation: typeof swish = swish,
): Node {
  const { graph } = net;
  const squeeze = activation(graph, pointwise(net, `${name}.fc1`, averageOverImage(net, x), squeezed));
  return gate(graph, x, sigmoid(graph, pointwise(net, `${name}.fc2`, squeeze, x.shape[1]!)));
}

/** Stochastic depth (Huang et al., 2016), by sample: the branch is left out with probability `drop`. */
export function stochasticDepth(net: Network, name: string, x: Node, drop: number): Node {
  if (net.mode === 'infer' || drop === 0) return x;
  return sampleScale(net.graph, x, mask(net, `${name}.drop`, [x.shape[0]!], 1 - drop));
}

export function residual(net: Network, x: Node, branch: Node): Node {
  return add(net.graph, branch, x);
}

/** Dropout on (N,C,1,1). */
export function dropout(net: Network, name: string, x: Node, drop: number): Node {
  if (net.mode === 'infer' || drop === 0) return x;
  return mul(net.graph, x, mask(net, `${name}.drop`, x.shape, 1 - drop));
}

/** A fully connected layer: (N,C,1,1) → (N,classes). */
export function linear(net: Network, name: string, x: Node, classes: number, bound: number): Node {
  const { graph } = net;
  const c = x.shape[1]!;
  const w = parameter(net, `${name}.weight`, [classes, c], { kind: 'uniform', bound });
  const b = parameter(net, `${name}.bias`, [classes], { kind: 'constant', value: 0 });
  const y = conv(graph, x, reshape(graph, w, [classes, c, 1, 1]), b, { stride: 1, pad: 0, groups: 1 });
  return flatten(graph, y);
}
