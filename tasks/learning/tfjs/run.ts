// Runs a graph on TensorFlow.js, node by node, and frees each value after its last use: backends keep all else.
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Graph, Node } from '../graph/graph.ts';
import { isCpuImage } from '../onnx/cpu.ts';
import { missing } from '../onnx/lower.ts';
import type { TensorFlow } from './load.ts';
import { imageShape, rules } from './rules.ts';

export interface Program {
  readonly steps: readonly Node[];
  readonly outputs: readonly Node[];
}

/** What must be computed for `outputs` where the graph's inputs are given. */
export function compile(graph: Graph, outputs: readonly Node[]): Program {
  const given = new Map(graph.nodes.filter((node) => node.op.name === 'input').map((node) => [node.id, '']));
  return { steps: missing(graph, outputs, given), outputs };
}

/** Values of the outputs, the caller's to dispose of; so are those of `given`, by node, images as (N,H,W,C). */
export function run(tf: TensorFlow, { steps, outputs }: Program, given: ReadonlyMap<number, Tensor>): Tensor[] {
  const values = new Map(given);
  const uses = new Map<number, number>();
  const use = (node: Node): void => void uses.set(node.id, (uses.get(node.id) ?? 0) + 1);
  for (const node of steps) node.inputs.forEach(use);
  outputs.forEach(use);
  const release = (node: Node): void => {
    const left = uses.get(node.id)! - 1;
    uses.set(node.id, left);
    if (left === 0 && !given.has(node.id)) values.get(node.id)!.dispose();
  };
  for (const node of steps) {
    const inputs = node.inputs.map((input) => values.get(input.id)!);
    values.set(node.id, compute(tf, node, inputs));
    node.inputs.forEach(release);
  }
  return outputs.map((node) => {
    const value = values.get(node.id)!.clone();
    release(node);
    return value;
  });
}

function compute(tf: TensorFlow, node: Node, inputs: Tensor[]): Tensor {
  const rule = rules[node.op.name];
  if (rule === undefined) throw new Error(`internal error: no TensorFlow.js rule for the operation "${node.op.name}"`);
  // A rule may give back what it was given: a second handle, so that each is disposed of once.
  return tf.tidy(() => {
    const value = rule(tf, node, inputs);
    return inputs.includes(value) ? value.clone() : value;
  });
}

/** A value of the graph's own shape as the rules want it. */
export function fromShape(tf: TensorFlow, node: Node, data: Float32Array): Tensor {
  return tf.tidy(() => {
    const value = tf.tensor(data, [...node.shape], 'float32');
    return isCpuImage(node) ? tf.transpose(value, [0, 2, 3, 1]) : value;
  });
}

/** The way back. */
export function toShape(tf: TensorFlow, node: Node, value: Tensor): Float32Array {
  return tf.tidy(() => {
    const plain = isCpuImage(node) ? tf.transpose(tf.reshape(value, imageShape(node.shape)), [0, 3, 1, 2]) : value;
    return plain.dataSync() as Float32Array;
  });
}
