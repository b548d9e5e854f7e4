// Who needs whom, straight from the nodes: what the load path and the planner use, without a graph library.
import type { Node, Pipeline } from '../model/node.ts';

/** Names of the nodes that a node waits for, each once: producers of its inputs in their order, then `after:`. */
export function needsOf(node: Node): string[] {
  const names: string[] = [];
  for (const role of node.inputs) for (const { producer } of role.sources) if (producer) names.push(producer.node);
  for (const name of node.after) names.push(name);
  return names.length < 2 ? names : [...new Set(names)];
}

/** `needsOf` as indices into `nodes`; a name that is not there is left out. */
export function needsByIndex(nodes: readonly Node[]): number[][] {
  const index = new Map(nodes.map((node, i) => [node.name, i]));
  return nodes.map((node) => {
    const found: number[] = [];
    for (const name of needsOf(node)) {
      const i = index.get(name);
      if (i !== undefined) found.push(i);
    }
    return found;
  });
}

/** For each node the indices of the nodes that need it. */
export function neededByIndex(needs: readonly (readonly number[])[]): number[][] {
  const users: number[][] = needs.map(() => []);
  for (const [consumer, producers] of needs.entries())
    for (const producer of producers) users[producer]!.push(consumer);
  return users;
}

/** All that is reached from these by `next`, step by step; themselves included. */
export function reach<T>(from: Iterable<T>, next: (one: T) => Iterable<T>): Set<T> {
  const reached = new Set(from);
  const open = [...reached];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const one of next(at)) {
      if (reached.has(one)) continue;
      reached.add(one);
      open.push(one);
    }
  }
  return reached;
}

/** Names of all nodes, each after everything that it needs, otherwise in the order of the pipeline. */
export function topological(pipeline: Pipeline): string[] {
  const { nodes } = pipeline;
  const needs = needsByIndex(nodes);
  const placed = new Uint8Array(nodes.length);
  const order: string[] = [];
  for (let root = 0; root < nodes.length; root++) {
    const path = placed[root] ? [] : [root];
    const next = [0];
    while (path.length > 0) {
      const at = path[path.length - 1]!;
      const needed = needs[at]![next[next.length - 1]!++];
      if (needed === undefined) {
        if (!placed[at]) order.push(nodes[at]!.name);
        placed[at] = 1;
        path.pop();
        next.pop();
      } else if (!placed[needed]) {
        path.push(needed);
        next.push(0);
      }
    }
  }
  return order;
}

/** The nodes whose outputs a node reads, each once. */
export function producers(node: Node): string[] {
  const names = new Set<string>();
  for (const { sources } of node.inputs) for (const { producer } of sources) if (producer) names.add(producer.node);
  return [...names];
}

/** Names of these nodes to those of the ones that wait for them. */
export function dependentsAmong(nodes: readonly Node[]): Map<string, string[]> {
  const dependents = new Map<string, string[]>(nodes.map(({ name }) => [name, []]));
  for (const node of nodes) for (const name of needsOf(node)) dependents.get(name)?.push(node.name);
  return dependents;
}

/** Nodes that wait for these, directly or not, in their order. */
export function dependentOn(names: ReadonlySet<string>, nodes: readonly Node[]): Set<string> {
  const dependents = dependentsAmong(nodes);
  const next = (name: string) => dependents.get(name) ?? [];
  const found = reach([...names].flatMap(next), next);
  return new Set(nodes.flatMap(({ name }) => (found.has(name) ? [name] : [])));
}
