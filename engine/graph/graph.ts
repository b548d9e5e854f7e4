// The pipeline as a graphology graph, for what shows it as data. Loading the library takes longer than a run with nothing to do: the
// load path and the planner use order.ts.
import { DirectedGraph } from 'graphology';
import type { Node, Pipeline } from '../model/node.ts';

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
