// How long what is to run will take on so many GPUs: the scheduler itself, with a clock that jumps. And a bound that no
// schedule beats: the longest path, the work over the cores, and for each task on GPUs the way to it, its work over the GPUs
// (or, for nodes that each want one for themselves, Graham's pigeonhole bound), and the way out.
import type { Node } from '../graph/node.ts';
import { type Durations, expectedSeconds, remainingPaths } from '../run/priority.ts';
import { bestOrder, type Rehearsal, simulate } from '../run/rehearse.ts';
import type { Capacity } from '../run/slots.ts';
import { dependencies } from './plan.ts';

export interface Makespan {
  readonly gpus: number;
  readonly cores: number;
  readonly seconds: number;
  readonly boundSeconds: number;
}

export const GPU_COUNTS = [1, 2, 4, 8, 16];

/** `nodes` in an order in which they can run; what they need beyond these is there. */
export function makespan(nodes: readonly Node[], durations: Durations, capacity: Capacity): Makespan {
  const { rehearsal, paths, boundSeconds } = rehearsalOf(nodes, durations, capacity);
  const seconds = simulate(rehearsal, bestOrder(rehearsal, paths, boundSeconds));
  return { gpus: capacity.gpus.length, cores: capacity.cores, seconds, boundSeconds };
}

/** In which order a run takes its nodes: the one that `makespan` found. */
export function runOrder(
  nodes: readonly Node[],
  durations: Durations,
  capacity: Capacity,
): ReadonlyMap<string, number> {
  const { rehearsal, paths, boundSeconds } = rehearsalOf(nodes, durations, capacity);
  return bestOrder(rehearsal, paths, boundSeconds);
}

function rehearsalOf(nodes: readonly Node[], durations: Durations, capacity: Capacity) {
  const seconds = expectedSeconds(nodes, durations);
  const dependents = dependentsAmong(nodes);
  const paths = remainingPaths(nodes, dependents, durations);
  const rehearsal: Rehearsal = { nodes, dependents, seconds, capacity };
  const longest = nodes.reduce((most, { name }) => Math.max(most, paths.get(name)!), 0);
  const boundSeconds = Math.max(
    longest,
    coreBound(nodes, seconds, capacity),
    gpuBound(nodes, paths, seconds, capacity),
  );
  return { rehearsal, paths, boundSeconds };
}

export function dependentsAmong(nodes: readonly Node[]): Map<string, string[]> {
  const dependents = new Map<string, string[]>(nodes.map(({ name }) => [name, []]));
  for (const node of nodes) for (const name of dependencies(node)) dependents.get(name)?.push(node.name);
  return dependents;
}

/** A machine with this many GPUs, and cores and memory enough to feed them all at once, as such machines have. */
export function machineWith(gpus: number, nodes: readonly Node[], here: Capacity): Capacity {
  const perGpu = (of: (node: Node) => number) =>
    Math.max(0, ...nodes.filter(({ resources }) => resources.gpu > 0).map((node) => of(node) / node.resources.gpu));
  return {
    cores: Math.max(here.cores, gpus * perGpu(({ resources }) => resources.cpu)),
    memoryBytes: Math.max(here.memoryBytes, gpus * perGpu(({ resources }) => resources.memoryBytes)),
    gpus: Array.from({ length: gpus }, (_, index) => index),
    pools: here.pools,
  };
}

/** Of a task's nodes on GPUs: the shortest way to the first of them, what they take together, the shortest way out. */
function gpuBound(
  nodes: readonly Node[],
  paths: ReadonlyMap<string, number>,
  seconds: ReadonlyMap<string, number>,
  { gpus }: Capacity,
): number {
  if (gpus.length === 0) return 0;
  const starts = earliestStarts(nodes, seconds);
  let bound = 0;
  for (const group of byTask(nodes.filter(({ resources }) => resources.gpu > 0))) {
    const way = Math.min(...group.map(({ name }) => starts.get(name)!));
    const out = Math.min(...group.map(({ name }) => paths.get(name)! - seconds.get(name)!));
    const work = group.reduce((sum, { name, resources }) => sum + seconds.get(name)! * resources.gpu, 0);
    const whole = group.filter(({ resources }) => resources.gpu >= 1).map(({ name }) => seconds.get(name)!);
    bound = Math.max(bound, way + Math.max(work / gpus.length, sharingBound(whole, gpus.length)) + out);
  }
  return bound;
}

function earliestStarts(nodes: readonly Node[], seconds: ReadonlyMap<string, number>): Map<string, number> {
  const ends = new Map<string, number>();
  const starts = new Map<string, number>();
  for (const node of nodes) {
    const start = Math.max(0, ...dependencies(node).map((name) => ends.get(name) ?? 0));
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

function coreBound(nodes: readonly Node[], seconds: ReadonlyMap<string, number>, { cores }: Capacity): number {
  return (
    nodes.reduce((sum, { name, resources }) => sum + seconds.get(name)! * Math.min(resources.cpu, cores), 0) / cores
  );
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
