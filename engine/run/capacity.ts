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
      request.gpus === null ? (request.wantsGpu ? await detectGpus() : []) : visible([...Array(request.gpus).keys()]),
    pools: request.pools,
  };
}

/** A container's limit counts where there is one. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  const total = os.totalmem();
  return limit > 0 && limit < total ? limit : total;
}

async function detectGpus(): Promise<number[]> {
  const query = ['--query-gpu=index', '--format=csv,noheader,nounits'];
  const answer = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 }).catch(() => null);
  const found = answer ? answer.stdout.split('\n').map((line) => Number.parseInt(line, 10)) : [];
  return visible(found.filter((index) => Number.isInteger(index)));
}

function visible(gpus: readonly number[]): number[] {
  const limit = process.env.CUDA_VISIBLE_DEVICES;
  if (limit === undefined) return [...gpus];
  const allowed = new Set(limit.split(',').map((text) => Number.parseInt(text.trim(), 10)));
  return gpus.filter((index) => allowed.has(index));
}
