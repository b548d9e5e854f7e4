// Apparatus for the graph's tests: reproducible numbers, a graph run by ONNX Runtime, and comparisons that name the worst.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { createGraph, type Graph, type Node, type Shape, sizeOf } from '../../../tasks/learning/graph/graph.ts';
import { cpuInput, cpuOutput, cpuRules, isCpuImage } from '../../../tasks/learning/onnx/cpu.ts';
import type { CpuLayout } from '../../../tasks/learning/onnx/cpuLayout.ts';
import { createEmitter } from '../../../tasks/learning/onnx/emitter.ts';
import { lowerFused } from '../../../tasks/learning/onnx/fused.ts';
import { createLowering, type Lowering, lower } from '../../../tasks/learning/onnx/lower.ts';
import { standardRules } from '../../../tasks/learning/onnx/standard.ts';
import { differentiate } from '../../../tasks/learning/ops/gradient.ts';
import { input } from '../../../tasks/learning/ops/shape.ts';
import { createRandom } from '../../../tasks/learning/random.ts';

/** Standard normal numbers, exactly representable in float32. */
export function normals(length: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** A shape of four axes that is a weight, not an image. */
export const weight = (...shape: number[]): Shape => Object.assign(shape, { weight: true });

export interface Case {
  readonly graph: Graph;
  readonly inputs: readonly Node[];
  readonly output: Node;
  /** Gradients of Σ output·seed. */
  readonly gradients: readonly Node[];
  readonly feeds: Map<string, Float32Array>;
}

/** A graph of `build` over inputs of these shapes, and the gradients of Σ output·seed with random numbers as seed. */
export function buildCase(shapes: readonly Shape[], build: (graph: Graph, ...xs: Node[]) => Node): Case {
  const graph = createGraph();
  const inputs = shapes.map((shape, i) => {
    const role = shape.length === 4 && !('weight' in shape) ? 'data' : 'parameter';
    return input(graph, `x${i}`, role, [...shape]);
  });
  const output = build(graph, ...inputs);
  const seed = input(graph, 'seed', isCpuImage(output) ? 'data' : 'parameter', output.shape);
  const gradients = differentiate(graph, output, seed, inputs);
  const feeds = new Map(inputs.map((x, i) => [`x${i}`, normals(sizeOf(x.shape), i + 1)]));
  feeds.set('seed', normals(sizeOf(output.shape), 100));
  return { graph, inputs, output, gradients, feeds };
}

/** How a graph is lowered in a test: to standard operators, or for the CPU with a layout of its own. */
export type How = 'standard' | (CpuLayout & { readonly chunk?: number });

/** The same graph by ONNX Runtime on the CPU; values as their shapes say, whatever the layout. */
export async function runLowered(
  graph: Graph,
  outputs: readonly Node[],
  feeds: ReadonlyMap<string, Float32Array>,
  how: How,
): Promise<Float32Array[]> {
  const e = createEmitter();
  const l = createLowering(e);
  const given = new Map<number, string>();
  const tensors: Record<string, Tensor> = {};
  for (const node of graph.nodes) {
    const name = node.attributes.name as string;
    const data = node.op.name === 'input' ? feeds.get(name) : undefined;
    if (data === undefined) continue;
    const given1 = e.input(name, node.shape);
    given.set(node.id, how === 'standard' ? given1 : cpuInput(l, node, given1, how));
    tensors[name] = new Tensor('float32', data, node.shape);
  }
  const names = lowered(graph, outputs, l, given, how);
  for (const [i, name] of names.entries()) {
    const node = outputs[i]!;
    e.output(`out${i}`, how === 'standard' ? name : cpuOutput(l, node, name, how), node.shape);
  }
  const session = await InferenceSession.create(e.encode(), { intraOpNumThreads: 2, logSeverityLevel: 3 });
  const results = await session.run(tensors);
  await session.release();
  return outputs.map((_, i) => Float32Array.from(results[`out${i}`]!.data as Float32Array));
}

function lowered(graph: Graph, outputs: readonly Node[], l: Lowering, given: Map<number, string>, how: How): string[] {
  if (how === 'standard') return lower(graph, outputs, l, given, standardRules);
  if (how.chunk === undefined) return lower(graph, outputs, l, given, cpuRules(how));
  return lowerFused(graph, outputs, l, given, how, how.chunk);
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
