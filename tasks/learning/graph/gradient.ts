// Reverse-mode differentiation: walks the graph backwards and adds, by each operation's own rule, the nodes that compute
// the gradients. Only paths that lead to something asked for are followed (never into the images).
import { add } from '../ops/elementwise.ts';
import { type Graph, type Node, reachable, sameShape } from './graph.ts';

/**
 * dL/dx for every x of `wanted`, in the same order, as new nodes of the graph. `loss` has one element.
 * Throws where a wanted node does not lead to the loss, or an operation on the way has no gradient.
 */
export function differentiate(graph: Graph, loss: Node, seed: Node, wanted: readonly Node[]): Node[] {
  if (!sameShape(loss.shape, seed.shape)) throw new Error(`gradient: the seed has shape [${seed.shape}]`);
  const leads = new Set(wanted.map((node) => node.id));
  const path = reachable(graph, [loss]);
  for (const node of path) if (node.inputs.some((input) => leads.has(input.id))) leads.add(node.id);

  const gradients = new Map<number, Node>([[loss.id, seed]]);
  for (const node of path.reverse()) {
    const dy = gradients.get(node.id);
    if (dy === undefined || !node.inputs.some((input) => leads.has(input.id))) continue;
    if (node.op.gradient === undefined) throw new Error(`${node.op.name}: this operation has no gradient`);
    node.op.gradient(graph, node, dy).forEach((dx, i) => {
      const input = node.inputs[i]!;
      if (dx === null || !leads.has(input.id)) return;
      if (!sameShape(dx.shape, input.shape)) {
        throw new Error(`${node.op.name}: gradient ${i} has shape [${dx.shape}], its input [${input.shape}]`);
      }
      const before = gradients.get(input.id);
      gradients.set(input.id, before === undefined ? dx : add(graph, before, dx));
    });
  }
  return wanted.map((node) => {
    const gradient = gradients.get(node.id);
    if (gradient === undefined) throw new Error(`gradient: node ${node.id} (${node.op.name}) has none`);
    return gradient;
  });
}
