// From the graph to ONNX operators: walks the nodes and applies one rule an operation. Which rules, and how an image lies
// in memory, is the device's: `standard.ts` (any runtime) and `cpu.ts` (ONNX Runtime's CPU provider, training).
import type { Graph, Node } from '../graph/graph.ts';
import type { Emitter } from './emitter.ts';

export interface Lowering {
  readonly about: Emitter['about'];
  readonly emit: Emitter['emit'];
  readonly emitMany: Emitter['emitMany'];
  readonly scan: Emitter['scan'];
  readonly ints: Emitter['ints'];
  readonly floats: Emitter['floats'];
  readonly reshape: Emitter['reshape'];
  readonly tell: Emitter['tell'];
}

/** Adds the ONNX nodes for one operation; `inputs` are its inputs' names. Returns the output's name. */
export type Rule = (l: Lowering, node: Node, inputs: string[]) => string;
export type Rules = Readonly<Record<string, Rule>>;

export function createLowering(emitter: Emitter): Lowering {
  return {
    about: emitter.about,
    emit: emitter.emit,
    emitMany: emitter.emitMany,
    scan: emitter.scan,
    ints: emitter.ints,
    floats: emitter.floats,
    reshape: emitter.reshape,
    tell: emitter.tell,
  };
}

/**
 * Adds the nodes that compute `outputs` and returns their names. `given` holds the names of nodes that exist already, in the
 * layout of the rules: the graph's inputs, and constants.
 */
export function lower(
  graph: Graph,
  outputs: readonly Node[],
  l: Lowering,
  given: ReadonlyMap<number, string>,
  rules: Rules,
): string[] {
  const names = new Map(given);
  for (const node of missing(graph, outputs, given)) names.set(node.id, lowerNode(l, node, names, rules));
  return outputs.map((node) => names.get(node.id)!);
}

/** Adds what one node needs, given the names of its inputs. */
export function lowerNode(l: Lowering, node: Node, names: ReadonlyMap<number, string>, rules: Rules): string {
  const rule = rules[node.op.name];
  if (rule === undefined) throw new Error(`internal error: no ONNX rule for the operation "${node.op.name}"`);
  l.about(purposeOf(node));
  const inputs = node.inputs.map((input) => names.get(input.id)!);
  return rule(l, node, inputs);
}

/** The operation; of a convolution its kind too. */
function purposeOf({ op, inputs, attributes, shape }: Node): string {
  if (!op.name.startsWith('conv')) return op.name;
  const [cout, perGroup, k] = op.name === 'convWeightGrad' ? shape : inputs[1]!.shape;
  const { groups, stride } = attributes as { groups: number; stride: number };
  const kind = groups === 1 ? '' : perGroup === 1 && cout === groups ? ' depthwise' : ' grouped';
  return `${op.name} ${k}x${k}${kind}${stride === 1 ? '' : ` /${stride}`}`;
}

/** Nodes needed for `outputs`, without those given and what only they need, in order. */
export function missing(graph: Graph, outputs: readonly Node[], given: ReadonlyMap<number, string>): Node[] {
  const needed = new Set<number>();
  const pending = [...outputs];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (needed.has(node.id) || given.has(node.id)) continue;
    needed.add(node.id);
    pending.push(...node.inputs);
  }
  return graph.nodes.filter((node) => needed.has(node.id));
}
