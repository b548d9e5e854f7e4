// What the engine keeps in the cache about nodes: a record per key (the result), a state per node name (its latest run).
import type { Cache, Key } from '../../cache/index.ts';
import type { Node } from '../model/node.ts';
import type { NodeRecord, NodeState } from '../model/record.ts';

export const recordOf = (cache: Cache, key: Key) => cache.get('records', key) as NodeRecord | undefined;
export const stateOf = (cache: Cache, node: string) => cache.get('nodes', node) as NodeState | undefined;

/** What a node last took, else its declared duration, else null. */
export const usualSeconds = (cache: Cache, node: Pick<Node, 'name' | 'durationSeconds'>): number | null =>
  stateOf(cache, node.name)?.seconds ?? node.durationSeconds;
