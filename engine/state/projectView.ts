// In a cache that projects share, what was last made under a node's name is each project's own: two with equal names would else
// explain each other's reruns. Records stay common: they go by key.
import { createHash } from 'node:crypto';
import type { Cache, Space } from '../../cache/index.ts';

/** No node's name begins so. */
const OF_PROJECT = /^@[0-9a-f]{16} /;

/** The cache as this project sees it. `ids('nodes')` lists those of all projects, for `get` and `nodeOfId`. */
export function projectView(cache: Cache, root: string): Cache {
  const prefix = `@${createHash('sha256').update(root).digest('hex').slice(0, 16)} `;
  const own = (space: Space, id: string) => (space === 'nodes' && !OF_PROJECT.test(id) ? prefix + id : id);
  return {
    ...cache,
    get: (space, id) => cache.get(space, own(space, id)),
    put: (space, id, value) => cache.put(space, own(space, id), value),
    commit: (writes) => cache.commit(writes.map((write) => ({ ...write, id: own(write.space, write.id) }))),
  };
}

export const nodeOfId = (id: string): string => id.replace(OF_PROJECT, '');
