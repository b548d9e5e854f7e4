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
  readonly running: string;
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
    running: path.join(state, 'running'),
    each: path.join(state, 'each'),
    code: path.join(state, 'code'),
  };
}

/** File systems take 255 bytes; a log's name gets endings of its own (`.try1.log`). */
const LONGEST_NAME = 200;

/**
 * A node's log: its latest run's output. Names are kept readable; what a file system refuses is replaced, or cut, and a
 * digest then keeps two such names apart.
 */
export function logPath(places: Places, node: string): string {
  const name = node.replace(/[^\w.,=[\]@+-]/g, '_');
  const kept =
    name === node && name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME)}-${digestOf(node, 8)}`;
  return path.join(places.logs, `${kept}.log`);
}

/** What `ctx.each` remembers of a node's items. By its name: keys change with every new item. */
export function eachFolder(places: Places, node: string): string {
  return path.join(places.each, digestOf(node, 16));
}

const digestOf = (text: string, length: number) => createHash('sha256').update(text).digest('hex').slice(0, length);

/** By the key: what a node keeps there is of use to nothing else. */
export function scratchOf({ scratch }: Places, { key }: { readonly key: string }): string {
  return path.join(scratch, key.slice(0, 32));
}
