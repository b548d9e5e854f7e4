// How much work there is for cores and GPUs, task by task, and how long it takes at least: a task's work over the slots, and then
// the shortest way from one of its nodes to the end.
import type { Node } from '../model/node.ts';
import type { Work } from './work.ts';

export interface LowerBound {
  /** So many seconds of the node; negative to take them away. */
  add(node: Node, seconds: number): void;
  /** Seconds that all this takes at least, but for what `spent` says. */
  atLeast(spent: LowerBound): number;
  of(task: string): Load;
}

interface Load {
  cpu: number;
  gpu: number;
}

/** In seconds: sums of many differ by less. */
const ROUNDING = 1e-3;
const NOTHING: Load = { cpu: 0, gpu: 0 };

export function createLowerBound({
  nodes,
  seconds,
  paths,
  capacity,
}: Pick<Work, 'nodes' | 'seconds' | 'paths' | 'capacity'>): LowerBound {
  const gpus = capacity.gpus.length;
  const loads = new Map<string, Load>();
  const over = (work: number, slots: number) => (slots === 0 ? 0 : work / slots);
  let wayOut: Map<string, number> | null = null;
  return {
    add({ task, resources }, of) {
      const { cpu, gpu } = loads.get(task) ?? NOTHING;
      loads.set(task, {
        cpu: cpu + of * Math.min(resources.cpu, capacity.cores),
        gpu: gpu + of * Math.min(resources.gpu, gpus),
      });
    },
    atLeast(spent) {
      wayOut ??= waysOut(nodes, seconds, paths);
      let most = 0;
      const sum = { cpu: 0, gpu: 0 };
      for (const [task, all] of loads) {
        const gone = spent.of(task);
        const [cpu, gpu] = [all.cpu - gone.cpu, all.gpu - gone.gpu];
        if (cpu < ROUNDING) continue; // All of the task is done.
        most = Math.max(most, Math.max(over(cpu, capacity.cores), over(gpu, gpus)) + wayOut.get(task)!);
        sum.cpu += cpu;
        sum.gpu += gpu;
      }
      return Math.max(most, over(sum.cpu, capacity.cores), over(sum.gpu, gpus));
    },
    of: (task) => loads.get(task) ?? NOTHING,
  };
}

function waysOut(
  nodes: readonly Node[],
  seconds: ReadonlyMap<string, number>,
  paths: ReadonlyMap<string, number>,
): Map<string, number> {
  const ways = new Map<string, number>();
  for (const { name, task } of nodes)
    ways.set(task, Math.min(ways.get(task) ?? Number.POSITIVE_INFINITY, paths.get(name)! - seconds.get(name)!));
  return ways;
}
