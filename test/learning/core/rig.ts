// Apparatus for the graph's tests: reproducible numbers, a graph run by ONNX Runtime, and comparisons that name the worst.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { differentiate } from '../../../tasks/learning/graph/gradient.ts';
import { createGraph, type Graph, type Node, type Shape, sizeOf } from '../../../tasks/learning/graph/graph.ts';
import { createEmitter } from '../../../tasks/learning/onnx/emitter.ts';
import { lower } from '../../../tasks/learning/onnx/lower.ts';
import { blockSize } from '../../../tasks/learning/onnx/probe.ts';
import { spatialSum } from '../../../tasks/learning/ops/channel.ts';
import { constant, mul } from '../../../tasks/learning/ops/elementwise.ts';
import { input, reshape } from '../../../tasks/learning/ops/shape.ts';
import { createRandom } from '../../../tasks/learning/random.ts';

/** Standard normal numbers, exactly representable in float32. */
export function normals(length: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => random.normal());
}

export interface Case {
  readonly graph: Graph;
  readonly inputs: readonly Node[];
  readonly output: Node;
  readonly loss: Node;
  readonly gradients: readonly Node[];
  readonly feeds: Map<string, Float32Array>;
}

/** A graph of `build` over inputs of these shapes, the loss Σ output·random, and its gradients. */
export function buildCase(shapes: readonly Shape[], build: (graph: Graph, ...xs: Node[]) => Node, seed = 1): Case {
  const graph = createGraph();
  const inputs = shapes.map((shape, i) => input(graph, `x${i}`, 'parameter', shape));
  const output = build(graph, ...inputs);
  const size = sizeOf(output.shape);
  const weights = input(graph, 'weights', 'data', output.shape);
  const loss = spatialSum(graph, reshape(graph, mul(graph, output, weights), [1, 1, 1, size]));
  const gradients = differentiate(graph, loss, constant(graph, loss.shape, [1]), inputs);
  const feeds = new Map(inputs.map((x, i) => [`x${i}`, normals(sizeOf(x.shape), seed + i)]));
  feeds.set('weights', normals(size, seed + 100));
  return { graph, inputs, output, loss, gradients, feeds };
}

/** The same graph by ONNX Runtime on the CPU. */
export async function runLowered(
  graph: Graph,
  outputs: readonly Node[],
  feeds: ReadonlyMap<string, Float32Array>,
  block?: number,
): Promise<Float32Array[]> {
  const e = createEmitter();
  const given = new Map<number, string>();
  const tensors: Record<string, Tensor> = {};
  for (const node of graph.nodes) {
    const name = node.attributes.name as string;
    const data = node.op.name === 'input' ? feeds.get(name) : undefined;
    if (data === undefined) continue;
    given.set(node.id, e.input(name, node.shape));
    tensors[name] = new Tensor('float32', data, node.shape);
  }
  const names = lower(graph, outputs, e, given, { training: true, block: block ?? (await blockSize()) });
  for (const [i, name] of names.entries()) e.output(`out${i}`, name, outputs[i]!.shape);
  const session = await InferenceSession.create(e.encode(), { intraOpNumThreads: 2, logSeverityLevel: 3 });
  const results = await session.run(tensors);
  await session.release();
  return outputs.map((_, i) => Float32Array.from(results[`out${i}`]!.data as Float32Array));
}

/** The largest difference, relative to the largest expected value. */
export function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 1e-30;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
    if (Number.isNaN(actual[i])) return Number.NaN;
  }
  return difference / largest;
}
