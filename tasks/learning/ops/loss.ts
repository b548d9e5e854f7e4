// The training loss: binary cross-entropy with logits, weighted by class, mean over the batch.
import type { Graph, Node } from '../graph/graph.ts';
import { constant, mul, softplus, sub } from './elementwise.ts';
import { sum } from './matrix.ts';

/**
 * Σ over samples n and classes k of weight[k]/Σweight · (softplus(z) - z·y) / N: logits z and labels y (N,K) → (1).
 * softplus(z) - z·y is -[y·log σ(z) + (1-y)·log(1-σ(z))] without overflow, and takes labels between 0 and 1.
 */
export function weightedCrossEntropy(graph: Graph, logits: Node, labels: Node, weights: readonly number[]): Node {
  const [n, k] = logits.shape as [number, number];
  if (weights.length !== k) throw new Error(`loss: ${weights.length} class weights for ${k} classes`);
  const total = weights.reduce((a, b) => a + b, 0);
  const each = sub(graph, softplus(graph, logits), mul(graph, logits, labels));
  const factors = constant(
    graph,
    [n, k],
    weights.map((weight) => weight / (total * n)),
  );
  return sum(graph, mul(graph, each, factors));
}
