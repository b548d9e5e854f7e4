// How long what is to run will take on so many GPUs: the scheduler itself, with a clock that jumps; and beside it what no
// schedule beats, the longest path and the work over what there is to do it (GPUs, cores).
import { needsOf } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import type { Capacity } from '../model/resources.ts';
import { bestOrder, simulate } from './simulate.ts';
import type { Work } from './work.ts';
import { type Durations, workOf } from './work.ts';

export interface Makespan {
  readonly gpus: number;
  readonly cores: number;
  readonly seconds: number;
  readonly boundSeconds: number;
  /** How often a node gives its slots to another. */
  readonly moves: number;
}

export const GPU_COUNTS = [1, 2, 4, 8, 16];

/** `nodes` in an order in which they can run; what they need beyond these is there. */
export function makespan(nodes: readonly Node[], durations: Durations, capacity: Capacity): Makespan {
  const work = workOf(nodes, durations, capacity);
  const found = simulate(work, runOrder(work));
  return { gpus: capacity.gpus.length, cores: capacity.cores, ...found, boundSeconds: lowerBound(work) };
}

/** In which order a run takes its nodes: the one that `makespan` found. */
export function runOrder(work: Work): ReadonlyMap<string, number> {
  return bestOrder(work, Math.max(lowerBound(work), wholeBound(work)));
}

/** max(work / GPUs, work / cores, critical path). */
function lowerBound({ nodes, seconds, paths, capacity: { gpus, cores } }: Work): number {
  const over = (want: (node: Node) => number, there: number) =>
    there === 0
      ? 0
      : nodes.reduce((sum, node) => sum + seconds.get(node.name)! * Math.min(want(node), there), 0) / there;
  const longest = nodes.reduce((most, { name }) => Math.max(most, paths.get(name)!), 0);
  return Math.max(
    longest,
    over(({ resources }) => resources.gpu, gpus.length),
    over(({ resources }) => resources.cpu, cores),
  );
}

/** A machine with this many GPUs, and cores and memory enough to feed them all at once, as such machines have. */
export function machineWith(gpus: number, nodes: readonly Node[], here: Capacity): Capacity {
  const perGpu = (of: (node: Node) => number) =>
    nodes.reduce((most, node) => (node.resources.gpu > 0 ? Math.max(most, of(node) / node.resources.gpu) : most), 0);
  return {
    cores: Math.max(here.cores, gpus * perGpu(({ resources }) => resources.cpu)),
    memoryBytes: Math.max(here.memoryBytes, gpus * perGpu(({ resources }) => resources.memoryBytes)),
    gpus: Array.from({ length: gpus }, (_, index) => index),
    pools: here.pools,
  };
}

/**
 * Tighter where nodes cannot be cut, to know when no better order can be found: of a task's nodes that each want a GPU for
 * themselves, the shortest way to the first of them, Graham's pigeonhole bound, the shortest way out.
 */
function wholeBound({ nodes, paths, seconds, capacity: { gpus } }: Work): number {
  if (gpus.length === 0) return 0;
  const starts = earliestStarts(nodes, seconds);
  const whole = nodes.filter(({ resources }) => resources.gpu >= 1);
  let bound = 0;
  for (const group of byTask(whole)) {
    const way = least(group, ({ name }) => starts.get(name)!);
    const out = least(group, ({ name }) => paths.get(name)! - seconds.get(name)!);
    const jobs = group.map(({ name }) => seconds.get(name)!);
    const work = group.reduce((sum, { name, resources }) => sum + seconds.get(name)! * resources.gpu, 0);
    bound = Math.max(bound, way + Math.max(work / gpus.length, sharingBound(jobs, gpus.length)) + out);
  }
  return bound;
}

const least = (nodes: readonly Node[], of: (node: Node) => number) =>
  nodes.reduce((smallest, node) => Math.min(smallest, of(node)), Number.POSITIVE_INFINITY);

function earliestStarts(nodes: readonly Node[], seconds: ReadonlyMap<string, number>): Map<string, number> {
  const ends = new Map<string, number>();
  const starts = new Map<string, number>();
  for (const node of nodes) {
    const start = needsOf(node).reduce((latest, name) => Math.max(latest, ends.get(name) ?? 0), 0);
    starts.set(node.name, start);
    ends.set(node.name, start + seconds.get(node.name)!);
  }
  return starts;
}

function byTask(nodes: readonly Node[]): Iterable<Node[]> {
  const groups = new Map<string, Node[]>();
  for (const node of nodes) groups.set(node.task, [...(groups.get(node.task) ?? []), node]);
  return groups.values();
}

/** Of k·m+1 jobs on m machines, some machine gets k+1, at best the shortest of them. */
function sharingBound(jobs: readonly number[], machines: number): number {
  const longestFirst = [...jobs].sort((a, b) => b - a);
  let bound = 0;
  for (let last = machines, rounds = 1; last < jobs.length; last += machines, rounds++) {
    const shared = longestFirst.slice(last - rounds, last + 1).reduce((sum, value) => sum + value, 0);
    bound = Math.max(bound, shared);
  }
  return bound;
}
