// A network under construction: its graph, and what its layers declare on the way, parameters with their initial
// distribution, running statistics with their new values, and the masks that the host draws for every step.
import { createGraph, type Graph, type Node, type Shape } from '../graph/graph.ts';
import { input } from '../ops/shape.ts';

/** 'train': batch statistics and masks; 'infer': running statistics, no masks. */
export type Mode = 'train' | 'infer';

/** What a parameter's first value is drawn from. */
export type Initial =
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'constant'; readonly value: number };

export interface Declared {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: Initial;
  readonly node: Node;
}

/** A factor of 1/keep with probability keep, else 0, drawn for each element of `shape`. */
export interface Mask {
  readonly name: string;
  readonly shape: Shape;
  readonly keep: number;
  readonly node: Node;
}

export interface BatchNorm {
  readonly epsilon: number;
  readonly momentum: number;
  /**
   * Variance as the mean square about the mean, one pass more. Without, it is E[x²] - E[x]², which loses digits where the mean
   * is far from 0 in standard deviations, as behind ReLUs.
   */
  readonly centred?: boolean;
}

export interface Network {
  readonly graph: Graph;
  readonly mode: Mode;
  readonly batchNorm: BatchNorm;
  /** In the order of the state dictionary of the published implementation. */
  readonly parameters: Declared[];
  readonly buffers: Declared[];
  /** Batch statistics by the name of the buffer that follows them (training only). */
  readonly statistics: Map<string, Node>;
  readonly masks: Mask[];
}

export function createNetwork(mode: Mode, batchNorm: BatchNorm): Network {
  return {
    graph: createGraph(),
    mode,
    batchNorm,
    parameters: [],
    buffers: [],
    statistics: new Map(),
    masks: [],
  };
}

export function parameter(net: Network, name: string, shape: Shape, initial: Initial): Node {
  const node = input(net.graph, name, 'parameter', shape);
  net.parameters.push({ name, shape, initial, node });
  return node;
}

export function buffer(net: Network, name: string, shape: Shape, value: number): Node {
  const node = input(net.graph, name, 'buffer', shape);
  net.buffers.push({ name, shape, initial: { kind: 'constant', value }, node });
  return node;
}

export function mask(net: Network, name: string, shape: Shape, keep: number): Node {
  const node = input(net.graph, name, 'data', shape);
  net.masks.push({ name, shape, keep, node });
  return node;
}
