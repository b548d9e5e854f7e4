// Reverse-mode differentiation: walks the graph backwards and adds, by each operation's own rule, the nodes that compute
// the gradients. Only paths that lead to something asked for are followed (never into the images).

import { type Graph, type Node, reachable, sameShape } from '../graph/graph.ts';
import { gateShift, scaleShift } from '../ops/channel.ts';
import { add } from '../ops/elementwise.ts';

/**
 * dL/dx for every x of `wanted`, in the same order, as new nodes of the graph. `loss` has one element.
 * Throws where a wanted node does not lead to the loss, or an operation on the way has no gradient.
 */
export function differentiate(graph: Graph, loss: Node, seed: Node, wanted: readonly Node[]): Node[] {
  if (!sameShape(loss.shape, seed.shape)) throw new Error(`gradient: the seed has shape [${seed.shape}]`);
  const leads = new Set(wanted.map((node) => node.id));
  const path = reachable(graph, [loss]);
  for (const node of path) if (node.inputs.some((input) => leads.has(input.id))) leads.add(node.id);

  const terms = new Map<number, Node[]>([[loss.id, [seed]]]);
  const gradients = new Map<number, Node>();
  const wantedIds = new Set(wanted.map((node) => node.id));
  for (const node of path.reverse()) {
    const parts = terms.get(node.id);
    if (parts === undefined || !leads.has(node.id)) continue;
    const dy = total(graph, parts);
    if (wantedIds.has(node.id)) gradients.set(node.id, dy);
    if (!node.inputs.some((input) => leads.has(input.id))) continue;
    if (node.op.gradient === undefined) throw new Error(`${node.op.name}: this operation has no gradient`);
    node.op.gradient(graph, node, dy).forEach((dx, i) => {
      const input = node.inputs[i]!;
      if (dx === null || !leads.has(input.id)) return;
      if (!sameShape(dx.shape, input.shape)) {
        throw new Error(`${node.op.name}: gradient ${i} has shape [${dx.shape}], its input [${input.shape}]`);
      }
      terms.set(input.id, [...(terms.get(input.id) ?? []), dx]);
    });
  }
  return wanted.map((node) => {
    const gradient = gradients.get(node.id);
    if (gradient === undefined) throw new Error(`gradient: node ${node.id} (${node.op.name}) has none`);
    return gradient;
  });
}

/**
 * The sum of the terms of a gradient. Values that are the same over a channel or a plane join a scaled term, so that they
 * are never spread over an image of their own (batch norm and squeeze-and-excitation make such terms).
 */
function total(graph: Graph, terms: readonly Node[]): Node {
  const byChannel = absorb(terms, 'channelBroadcast', 'channelScale', (shifts, [x, scale]) =>
    scaleShift(graph, x!, scale!, sum(graph, shifts)),
  );
  const byShift = absorb(byChannel, 'channelBroadcast', 'scaleShift', (shifts, [x, scale, shift]) =>
    scaleShift(graph, x!, scale!, sum(graph, [shift!, ...shifts])),
  );
  const byPlane = absorb(byShift, 'spatialBroadcast', 'gate', (shifts, [x, g]) =>
    gateShift(graph, x!, g!, sum(graph, shifts)),
  );
  return sum(graph, byPlane);
}

const sum = (graph: Graph, terms: readonly Node[]): Node => terms.reduce((a, b) => add(graph, a, b));

/** Replaces the first term by `scaled` and all by `spread` with what `join` makes of their inputs, where both occur. */
function absorb(
  terms: readonly Node[],
  spread: string,
  scaled: string,
  join: (shifts: Node[], inputs: readonly Node[]) => Node,
): readonly Node[] {
  const shifts = terms.filter((term) => term.op.name === spread).map((term) => term.inputs[0]!);
  const host = terms.find((term) => term.op.name === scaled);
  if (shifts.length === 0 || host === undefined) return terms;
  const rest = terms.filter((term) => term !== host && term.op.name !== spread);
  return [join(shifts, host.inputs), ...rest];
}
