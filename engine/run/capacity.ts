// What this machine has: cores, memory, and the GPUs that nvidia-smi reports, within an already set CUDA_VISIBLE_DEVICES.
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { Capacity } from './slots.ts';

export interface CapacityRequest {
  /** How many single-core nodes may run at once; the number of cores by default. */
  readonly jobs: number | null;
  /** The number of GPUs, when the user says it rather than nvidia-smi. */
  readonly gpus: number | null;
  readonly pools: Readonly<Record<string, number>>;
  /** Whether any node asks for a GPU: without, nvidia-smi is not run. */
  readonly wantsGpu: boolean;
}

export async function machineCapacity(request: CapacityRequest): Promise<Capacity> {
  return {
    cores: request.jobs ?? os.availableParallelism(),
    memoryBytes: usableMemory(),
    gpus:
      request.gpus === null
        ? request.wantsGpu
          ? await detectGpus()
          : []
        : [...Array(request.gpus).keys()].filter((index) => isVisible({ index, uuid: '' })),
    pools: request.pools,
  };
}

/** A container's limit counts where there is one. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  const total = os.totalmem();
  return limit > 0 && limit < total ? limit : total;
}

interface Gpu {
  readonly index: number;
  readonly uuid: string;
  readonly freeMb: number;
}

/** Indices, the GPU with most free memory first: what others run on this machine counts. */
async function detectGpus(): Promise<number[]> {
  const query = ['--query-gpu=index,uuid,memory.free', '--format=csv,noheader,nounits'];
  const answer = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 }).catch(() => null);
  const gpus = parseGpus(answer?.stdout ?? '').filter(isVisible);
  return gpus.sort((a, b) => b.freeMb - a.freeMb || a.index - b.index).map(({ index }) => index);
}

/** Lines like `0, GPU-5f3c…, 24000`. */
export function parseGpus(text: string): Gpu[] {
  return text
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .map(([index = '', uuid = '', free = '']) => ({
      index: Number.parseInt(index, 10),
      uuid,
      freeMb: Number.parseFloat(free) || 0,
    }))
    .filter(({ index }) => Number.isInteger(index));
}

/** CUDA_VISIBLE_DEVICES lists indices or (beginnings of) UUIDs; where it is set, we stay within it. */
function isVisible({ index, uuid }: Pick<Gpu, 'index' | 'uuid'>): boolean {
  const limit = process.env.CUDA_VISIBLE_DEVICES;
  if (limit === undefined) return true;
  const allowed = limit.split(',').map((text) => text.trim());
  return allowed.some((text) => text === String(index) || (text.startsWith('GPU-') && uuid.startsWith(text)));
}
