// Computes a graph by its operations' definitions, in float64 and without haste: the truth that every lowering is
// compared with, and the folder of constants when a model is exported.
import { type Graph, type Node, reachable, sizeOf } from './graph.ts';

/** Values of `outputs`; `feeds` gives the graph's inputs by name. Throws where an input is missing or has a wrong size. */
export function interpret(
  graph: Graph,
  outputs: readonly Node[],
  feeds: ReadonlyMap<string, ArrayLike<number>>,
): Float64Array[] {
  const values = new Map<number, Float64Array>();
  for (const node of reachable(graph, outputs)) values.set(node.id, evaluate(node, values, feeds));
  return outputs.map((node) => values.get(node.id)!);
}

function evaluate(
  node: Node,
  values: ReadonlyMap<number, Float64Array>,
  feeds: ReadonlyMap<string, ArrayLike<number>>,
): Float64Array {
  if (node.op.name !== 'input') {
    return node.op.evaluate(
      node.inputs.map((input) => values.get(input.id)!),
      node,
    );
  }
  const name = node.attributes.name as string;
  const value = feeds.get(name);
  if (value === undefined) throw new Error(`interpret: no value for the input "${name}"`);
  if (value.length !== sizeOf(node.shape)) {
    throw new Error(`interpret: the input "${name}" has ${value.length} values, its shape is [${node.shape}]`);
  }
  return Float64Array.from(value);
}
