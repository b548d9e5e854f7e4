// The pipeline as a graphology graph, for the commands that draw or measure it. The load path and the planner use
// order.ts, which needs no library.
import { DirectedGraph } from 'graphology';
import type { Node, Pipeline } from '../model/node.ts';

export { topological } from './order.ts';

export interface NodeAttributes {
  readonly node: Node;
}
export interface EdgeAttributes {
  /** `after` when the consumer only waits for the producer and reads nothing of it. */
  readonly kind: 'data' | 'after';
}

/** Edges run from producer to consumer. */
export function buildGraph(pipeline: Pipeline): DirectedGraph<NodeAttributes, EdgeAttributes> {
  const graph = new DirectedGraph<NodeAttributes, EdgeAttributes>();
  for (const node of pipeline.nodes) graph.addNode(node.name, { node });
  for (const node of pipeline.nodes) {
    for (const role of node.inputs)
      for (const { producer } of role.sources)
        if (producer && graph.hasNode(producer.node))
          graph.mergeDirectedEdge(producer.node, node.name, { kind: 'data' });
    for (const name of node.after)
      if (graph.hasNode(name) && !graph.hasDirectedEdge(name, node.name))
        graph.addDirectedEdge(name, node.name, { kind: 'after' });
  }
  return graph;
}

/** Everything that the named nodes need, without themselves. */
export function ancestors(graph: DirectedGraph, names: Iterable<string>): Set<string> {
  return walk(names, (name) => graph.inNeighbors(name));
}

/** Everything that needs the named nodes, without themselves. */
export function descendants(graph: DirectedGraph, names: Iterable<string>): Set<string> {
  return walk(names, (name) => graph.outNeighbors(name));
}

function walk(names: Iterable<string>, next: (name: string) => string[]): Set<string> {
  const start = [...names];
  const reached = new Set<string>();
  for (let open = start; open.length > 0; ) {
    const found = open.flatMap(next).filter((name) => !reached.has(name));
    for (const name of found) reached.add(name);
    open = [...new Set(found)];
  }
  for (const name of start) reached.delete(name);
  return reached;
}
