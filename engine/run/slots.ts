// Slots: how much of each resource is free, and which GPU a node gets. Pure bookkeeping; nothing is started here.
import type { Allotment } from '../event.ts';
import type { Resources } from '../graph/node.ts';

export interface Capacity {
  readonly cores: number;
  readonly memoryBytes: number;
  /** GPU indices that may be used, the one to prefer first. */
  readonly gpus: readonly number[];
  /** What CUDA_VISIBLE_DEVICES calls those that it does not call by their index. */
  readonly gpuNames?: Readonly<Record<number, string>>;
  readonly pools: Readonly<Record<string, number>>;
}

export interface Slots {
  /** Takes what a node asks for, or returns null when it is not free now. A wish beyond the machine is cut down to it. */
  take(resources: Resources): Allotment | null;
  release(allotment: Allotment, resources: Resources): void;
  /** False when not even the smallest node could start. */
  anyFree(): boolean;
}

const ROUNDING = 1e-9;

export function createSlots(capacity: Capacity): Slots {
  let cores = capacity.cores;
  let memoryBytes = capacity.memoryBytes;
  const gpuFree = new Map(capacity.gpus.map((index) => [index, 1]));
  const poolFree = new Map(Object.entries(capacity.pools));

  const share = (resources: Resources) => gpuShare(resources, capacity);
  return {
    take(resources) {
      const wantCores = Math.min(resources.cpu, capacity.cores);
      const wantMemory = Math.min(resources.memoryBytes, capacity.memoryBytes);
      if (wantCores > cores + ROUNDING || wantMemory > memoryBytes) return null;
      if (Object.entries(resources.pools).some(([name, want]) => want > (poolFree.get(name) ?? 0) + ROUNDING))
        return null;
      const gpus = pickGpus(share(resources), gpuFree);
      if (!gpus) return null;

      cores -= wantCores;
      memoryBytes -= wantMemory;
      for (const index of gpus) gpuFree.set(index, gpuFree.get(index)! - perGpu(share(resources)));
      for (const [name, want] of Object.entries(resources.pools)) poolFree.set(name, poolFree.get(name)! - want);
      return { cores: wantCores, memoryBytes: wantMemory, gpus };
    },
    release(allotment, resources) {
      cores += allotment.cores;
      memoryBytes += allotment.memoryBytes;
      for (const index of allotment.gpus) gpuFree.set(index, gpuFree.get(index)! + perGpu(share(resources)));
      for (const [name, want] of Object.entries(resources.pools)) poolFree.set(name, poolFree.get(name)! + want);
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
