// Slots: how much of each resource is free, and which GPU a node gets. Pure bookkeeping; nothing is started here.
import type { Node } from '../model/node.ts';
import type { Allotment, Capacity, Resources } from '../model/resources.ts';

export interface Slots {
  /** Takes what a node asks for, or returns null when it is not free now. A wish beyond the machine is cut down to it. */
  take(resources: Resources): Allotment | null;
  release(allotment: Allotment, resources: Resources): void;
  /** Whether there would be room, were these nodes gone. */
  fits(resources: Resources, without: readonly Held[]): boolean;
  /** False when not even the smallest node could start. */
  anyFree(): boolean;
}

/** What a node has taken. */
export interface Held {
  readonly node: Pick<Node, 'resources'>;
  readonly allotment: Allotment;
}

const ROUNDING = 1e-9;

export function createSlots(capacity: Capacity): Slots {
  let cores = capacity.cores;
  let memoryBytes = capacity.memoryBytes;
  const gpuFree = new Map(capacity.gpus.map((index) => [index, 1]));
  const poolFree = new Map(Object.entries(capacity.pools));

  const find = (resources: Resources): Allotment | null => {
    const wantCores = Math.min(resources.cpu, capacity.cores);
    const wantMemory = Math.min(resources.memoryBytes, capacity.memoryBytes);
    if (wantCores > cores + ROUNDING || wantMemory > memoryBytes) return null;
    for (const name in resources.pools) if (resources.pools[name]! > (poolFree.get(name) ?? 0) + ROUNDING) return null;
    const gpus = pickGpus(gpuShare(resources, capacity), gpuFree);
    return gpus && { cores: wantCores, memoryBytes: wantMemory, gpus };
  };
  /** `sign`: 1 gives back, -1 takes. */
  const move = (allotment: Allotment, resources: Resources, sign: 1 | -1) => {
    cores += sign * allotment.cores;
    memoryBytes += sign * allotment.memoryBytes;
    const each = sign * perGpu(gpuShare(resources, capacity));
    for (const index of allotment.gpus) gpuFree.set(index, gpuFree.get(index)! + each);
    for (const [name, want] of Object.entries(resources.pools)) poolFree.set(name, poolFree.get(name)! + sign * want);
  };
  return {
    take(resources) {
      const found = find(resources);
      if (found) move(found, resources, -1);
      return found;
    },
    release: (allotment, resources) => move(allotment, resources, 1),
    fits(resources, without) {
      for (const { node, allotment } of without) move(allotment, node.resources, 1);
      const found = find(resources);
      for (const { node, allotment } of without) move(allotment, node.resources, -1);
      return found !== null;
    },
    anyFree: () => cores > ROUNDING,
  };
}

/** What a node gets of GPUs: its wish, or none on a machine without where it said that it can do without. */
function gpuShare({ gpu, gpuOptional }: Resources, { gpus }: Capacity): number {
  if (gpuOptional && gpus.length === 0) return 0;
  return gpu > gpus.length && gpuOptional ? gpus.length : gpu;
}

const perGpu = (share: number) => Math.min(share, 1);

/** A fraction goes to the fullest GPU that still has room for it, so that whole GPUs stay free for those who need one. */
function pickGpus(share: number, free: ReadonlyMap<number, number>): number[] | null {
  if (share === 0) return [];
  const fits = [...free].filter(([, left]) => left + ROUNDING >= perGpu(share)).sort((a, b) => a[1] - b[1]);
  const count = Math.ceil(share);
  return fits.length < count ? null : fits.slice(0, count).map(([index]) => index);
}

/** Why a node can never run on this machine, or null when it can. */
export function impossible(resources: Resources, capacity: Capacity): string | null {
  if (resources.gpu > capacity.gpus.length && !resources.gpuOptional) {
    return `it needs ${resources.gpu} GPU, this machine has ${capacity.gpus.length} (\`gpu_optional: true\` lets it run without)`;
  }
  return null;
}
