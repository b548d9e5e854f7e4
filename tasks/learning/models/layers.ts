// The layers that the published networks are made of. Parameters are declared under the names of torchvision's state
// dictionary, with torchvision's initial distributions.
import type { Graph, Node } from '../graph/graph.ts';
import { channelDeviation, channelDot, channelSum, gate, sampleScale, scaleShift, spatialSum } from '../ops/channel.ts';
import { conv, convWeightGrad, POINTWISE } from '../ops/convolution.ts';
import { add, affine, mul, relu, rsqrt, sigmoid, sub, type swish } from '../ops/elementwise.ts';
import { matmul, rowDot, rowScale } from '../ops/matrix.ts';
import { averagePool } from '../ops/pool.ts';
import { flatten, join, reshape } from '../ops/shape.ts';
import { buffer, type Initial, mask, type Network, parameter } from './network.ts';

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  /** Half the kernel where absent ("same"). */
  readonly pad?: number;
  /** `fanOut` where absent. */
  readonly initial?: (shape: readonly number[]) => Initial;
}

/** Kaiming normal over the fan out, as torchvision's networks draw their convolutions. */
function fanOut(shape: readonly number[]): Initial {
  return { kind: 'normal', std: Math.sqrt(2 / (shape[0]! * shape[2]! * shape[3]!)) };
}

/** Kaiming normal over the fan in: PyTorch's own default of `kaiming_normal_`. */
export function fanIn(shape: readonly number[]): Initial {
  return { kind: 'normal', std: Math.sqrt(2 / (shape[1]! * shape[2]! * shape[3]!)) };
}

/** What PyTorch draws biases and fully connected weights from where a network says nothing else. */
export function uniformOver(fan: number): Initial {
  return { kind: 'uniform', bound: 1 / Math.sqrt(fan) };
}

const zero: Initial = { kind: 'constant', value: 0 };

/** A convolution without bias, weight `${name}.weight`. */
export function convolution(net: Network, name: string, x: Node, channels: number, options: ConvOptions): Node {
  const { w, attributes } = convolutionWeight(net, name, x, channels, options);
  return conv(net.graph, x, w, null, attributes);
}

function convolutionWeight(net: Network, name: string, x: Node, channels: number, options: ConvOptions) {
  const { kernel, stride = 1, groups = 1, pad = (kernel - 1) >> 1, initial = fanOut } = options;
  const shape = [channels, x.shape[1]! / groups, kernel, kernel];
  return { w: parameter(net, `${name}.weight`, shape, initial(shape)), attributes: { stride, pad, groups } };
}

/** The scale and shift that normalise a tensor, from its batch (training) or its running statistics (inference). */
function normalisation(
  net: Network,
  name: string,
  channels: number,
  moments: Moments | null,
  gain = 1,
): { scale: Node; shift: Node } {
  const { graph } = net;
  const { epsilon } = net.batchNorm;
  const gamma = parameter(net, `${name}.weight`, [channels], { kind: 'constant', value: gain });
  const beta = parameter(net, `${name}.bias`, [channels], zero);
  const runningMean = buffer(net, `${name}.running_mean`, [channels], 0);
  const runningVar = buffer(net, `${name}.running_var`, [channels], 1);
  const { mean, variance } = moments ?? { mean: runningMean, variance: runningVar };
  if (moments !== null) {
    const { count } = moments;
    net.statistics.set(`${name}.running_mean`, mean);
    // It follows the unbiased variance, as in PyTorch.
    net.statistics.set(`${name}.running_var`, affine(graph, variance, count / (count - 1), 0));
  }
  const scale = mul(graph, gamma, rsqrt(graph, variance, epsilon));
  return { scale, shift: sub(graph, beta, mul(graph, mean, scale)) };
}

/** Mean and biased variance of each channel over so many values. */
export interface Moments {
  readonly mean: Node;
  readonly variance: Node;
  readonly count: number;
}

/** Of a batch, over N, H and W; null in inference, where running statistics are used. */
export function momentsOf(net: Network, x: Node): Moments | null {
  const { graph } = net;
  if (net.mode === 'infer') return null;
  const { mean, count } = batchMean(net, x);
  const variance = net.batchNorm.centred
    ? affine(graph, channelDeviation(graph, x, mean), 1 / count, 0)
    : varianceOf(graph, affine(graph, channelDot(graph, x, x), 1 / count, 0), mean);
  return { mean, variance, count };
}

/**
 * The moments of a pointwise convolution from those of its input: the mean of w·x is w·mean(x), its mean square w·G·wᵀ with
 * G the mean of x·xᵀ. No pass over the result is needed, forward or backward.
 */
function momentsThrough(net: Network, x: Node, w: Node): Moments | null {
  const { graph } = net;
  if (net.mode === 'infer') return null;
  const [cout, cin] = w.shape as [number, number];
  const { mean: inputMean, count } = batchMean(net, x);
  const matrix = reshape(graph, w, [cout, cin]);
  const mean = reshape(graph, matmul(graph, matrix, reshape(graph, inputMean, [cin, 1])), [cout]);
  const products = reshape(graph, convWeightGrad(graph, x, x, [cin, cin, 1, 1], POINTWISE), [cin, cin]);
  const square = rowDot(graph, matmul(graph, matrix, affine(graph, products, 1 / count, 0)), matrix);
  return { mean, variance: varianceOf(graph, square, mean), count };
}

function batchMean(net: Network, x: Node): Omit<Moments, 'variance'> {
  const [n, , h, w] = x.shape as [number, number, number, number];
  const count = n * h * w;
  if (count < 2) throw new Error(`batch norm needs more than one value a channel, the image is [${x.shape}]`);
  return { mean: affine(net.graph, channelSum(net.graph, x), 1 / count, 0), count };
}

/** E[x²] - E[x]², which rounding may take below 0. */
const varianceOf = (graph: Graph, square: Node, mean: Node): Node =>
  relu(graph, sub(graph, square, mul(graph, mean, mean)));

/** Those of two images whose channels are put together. */
export function joinMoments(net: Network, a: Moments | null, b: Moments | null): Moments | null {
  if (a === null || b === null) return null;
  const joined = (x: Node, y: Node): Node => join(net.graph, [x, y]);
  return { mean: joined(a.mean, b.mean), variance: joined(a.variance, b.variance), count: a.count };
}

/** `gain` is the scale's first value. */
export function batchNorm(net: Network, name: string, x: Node, gain = 1, moments = momentsOf(net, x)): Node {
  const { scale, shift } = normalisation(net, name, x.shape[1]!, moments, gain);
  return scaleShift(net.graph, x, scale, shift);
}

/** Whether that is less work than a look at the result: G costs as much as a convolution to as many channels as come in. */
function expands(net: Network, x: Node, channels: number, { kernel, stride = 1, groups = 1 }: ConvOptions): boolean {
  const cin = x.shape[1]!;
  return kernel === 1 && stride === 1 && groups === 1 && !net.batchNorm.centred && cin * cin <= 25 * channels;
}

/** Convolution and batch norm, which is folded into the convolution's weight and bias where its moments are known before. */
export function convBatchNorm(
  net: Network,
  convName: string,
  normName: string,
  x: Node,
  channels: number,
  options: ConvOptions,
  gain = 1,
): Node {
  if (net.mode === 'train' && !expands(net, x, channels, options)) {
    return batchNorm(net, normName, convolution(net, convName, x, channels, options), gain);
  }
  const { w, attributes } = convolutionWeight(net, convName, x, channels, options);
  const { scale, shift } = normalisation(net, normName, channels, momentsThrough(net, x, w), gain);
  return conv(net.graph, x, rowScale(net.graph, w, scale), shift, attributes);
}

/** A pointwise convolution with bias on (N,C,1,1). */
function pointwise(net: Network, name: string, x: Node, channels: number, bias: Initial): Node {
  const shape = [channels, x.shape[1]!, 1, 1];
  const w = parameter(net, `${name}.weight`, shape, fanOut(shape));
  const b = parameter(net, `${name}.bias`, [channels], bias);
  return conv(net.graph, x, w, b, POINTWISE);
}

export function averageOverImage(net: Network, x: Node): Node {
  const [, , h, w] = x.shape as [number, number, number, number];
  // Runtimes know pooling in their own layouts of images, and would turn one back for a sum.
  if (net.mode === 'infer' && h === w) return averagePool(net.graph, x, { kernel: h, stride: h, pad: 0, ceil: false });
  return affine(net.graph, spatialSum(net.graph, x), 1 / (h * w), 0);
}

export interface SqueezeExciteOptions {
  /** Channels in between. */
  readonly squeezed: number;
  readonly activation: typeof swish;
  /** Biases start at zero, or as PyTorch's convolutions have them. */
  readonly bias?: 'zero' | 'default';
}

/** Squeeze-and-excitation (Hu et al., 2018): a factor a channel from the image's mean. Names fc1 and fc2. */
export function squeezeExcite(net: Network, name: string, x: Node, options: SqueezeExciteOptions): Node {
  const { squeezed, activation, bias = 'zero' } = options;
  const { graph } = net;
  const initial = (fan: number): Initial => (bias === 'zero' ? zero : uniformOver(fan));
  const channels = x.shape[1]!;
  const mean = averageOverImage(net, x);
  const squeeze = activation(graph, pointwise(net, `${name}.fc1`, mean, squeezed, initial(channels)));
  return gate(graph, x, sigmoid(graph, pointwise(net, `${name}.fc2`, squeeze, channels, initial(squeezed))));
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
export function linear(net: Network, name: string, x: Node, classes: number, weight: Initial, bias = zero): Node {
  const { graph } = net;
  const c = x.shape[1]!;
  const w = parameter(net, `${name}.weight`, [classes, c], weight);
  const b = parameter(net, `${name}.bias`, [classes], bias);
  const y = conv(graph, x, reshape(graph, w, [classes, c, 1, 1]), b, POINTWISE);
  return flatten(graph, y);
}
