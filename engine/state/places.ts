// Where the engine keeps what is not in the cache: logs, journals, scratch, staging, items of nodes and bundled code, all under
// PROJECT/.dag.
import { createHash } from 'node:crypto';
import path from 'node:path';

export interface Places {
  readonly state: string;
  readonly cache: string;
  readonly lock: string;
  readonly journals: string;
  readonly logs: string;
  readonly scratch: string;
  readonly staging: string;
  readonly each: string;
  readonly code: string;
}

/** `DAG_CACHE` moves the cache, to share it between projects; the rest is the project's own. */
export function placesOf(root: string): Places {
  const state = path.join(root, '.dag');
  return {
    state,
    cache: process.env.DAG_CACHE ? path.resolve(process.env.DAG_CACHE) : state,
    lock: path.join(state, 'run.lock'),
    journals: path.join(state, 'runs'),
    logs: path.join(state, 'logs'),
    scratch: path.join(state, 'scratch'),
    staging: path.join(state, 'staging'),
    each: path.join(state, 'each'),
    code: path.join(state, 'code'),
  };
}

/** A node's log: its latest run's output. Names are kept readable; what a file system refuses is replaced. */
export function logPath(places: Places, node: string): string {
  return path.join(places.logs, `${node.replace(/[^\w.,=[\]@+-]/g, '_')}.log`);
}

/** What `ctx.each` remembers of a node's items. By its name: keys change with every new item. */
export function eachFolder(places: Places, node: string): string {
  return path.join(places.each, createHash('sha256').update(node).digest('hex').slice(0, 16));
}
