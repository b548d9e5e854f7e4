// What is to run, with what it is expected to take: durations, and the longest path from the start of each node to the end of all
// that waits for it.
import { dependentsAmong } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import type { Capacity } from '../model/resources.ts';

/** Seconds a node is expected to take: what it last took, else its declared duration, else null. */
export type Durations = (node: Node) => number | null;

/** What is to run. `nodes` in an order in which they can run. */
export interface Work {
  readonly nodes: readonly Node[];
  readonly dependents: ReadonlyMap<string, readonly string[]>;
  /** What each is expected to take. */
  readonly seconds: ReadonlyMap<string, number>;
  /** From the start of each to the end of all that waits for it. */
  readonly paths: ReadonlyMap<string, number>;
  readonly capacity: Capacity;
}

export function workOf(nodes: readonly Node[], durations: Durations, capacity: Capacity): Work {
  const seconds = expectedSeconds(nodes, durations);
  const dependents = dependentsAmong(nodes);
  return { nodes, dependents, seconds, paths: longestPaths(nodes, dependents, seconds), capacity };
}

/** Seconds of the longest path that starts with each node. `nodes` in an order in which they can run. */
export function longestPaths(
  nodes: readonly Node[],
  dependents: ReadonlyMap<string, readonly string[]>,
  seconds: ReadonlyMap<string, number>,
): Map<string, number> {
  const longest = new Map<string, number>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    const { name } = nodes[i]!;
    let after = 0;
    for (const dependent of dependents.get(name) ?? []) after = Math.max(after, longest.get(dependent) ?? 0);
    longest.set(name, seconds.get(name)! + after);
  }
  return longest;
}

/**
 * Seconds by node; one without a duration counts as the mean of its task's others. Of a task without any, nodes are taken to
 * be short: who declares durations declares those that matter.
 */
export function expectedSeconds(nodes: readonly Node[], durations: Durations): Map<string, number> {
  const known = new Map<string, number>();
  const byTask = new Map<string, number[]>();
  for (const node of nodes) {
    const seconds = durations(node);
    if (seconds === null) continue;
    known.set(node.name, seconds);
    const list = byTask.get(node.task);
    if (list) list.push(seconds);
    else byTask.set(node.task, [seconds]);
  }
  const usual = new Map([...byTask].map(([task, list]) => [task, mean(list)]));
  const short = shortOf(known.values());
  return new Map(nodes.map((node) => [node.name, known.get(node.name) ?? usual.get(node.task) ?? short]));
}

const SHORT_SECONDS = 60;

/** What a node is taken to need of which nothing is known, beside those of which something is. */
export function shortOf(known: Iterable<number>): number {
  let short = SHORT_SECONDS;
  for (const seconds of known) short = Math.min(short, seconds);
  return short;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
