// What a run's nodes are expected to take, by what the cache knows of them.
import type { Cache } from '../../cache/index.ts';
import { needsOf } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import type { Capacity } from '../model/resources.ts';
import { usualSeconds } from '../state/records.ts';
import { createEstimator, type Estimator } from './eta.ts';

export function estimatorFor(
  cache: Cache,
  nodes: readonly Node[],
  names: readonly string[],
  capacity: Capacity,
): Estimator {
  const wanted = new Set(names);
  const expected = nodes
    .filter(({ name }) => wanted.has(name))
    .map((node) => ({
      name: node.name,
      task: node.task,
      seconds: usualSeconds(cache, node),
      cores: node.resources.cpu,
      gpus: capacity.gpus.length > 0 ? node.resources.gpu : 0,
      needs: needsOf(node),
    }));
  return createEstimator(expected, capacity);
}
