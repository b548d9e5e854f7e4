// What this machine has: cores, memory, and the GPUs that nvidia-smi reports, within an already set CUDA_VISIBLE_DEVICES; and how a
// node is told its share.
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { Allotment, Capacity } from '../../model/resources.ts';
import type { CapacityRequest } from '../executor.ts';

export async function machineCapacity(request: CapacityRequest): Promise<Capacity> {
  const gpus = await usableGpus(request);
  const named = gpus.filter(({ index, name }) => name !== String(index));
  return {
    cores: request.jobs ?? os.availableParallelism(),
    memoryBytes: usableMemory(),
    gpus: gpus.map(({ index }) => index),
    ...(named.length > 0 ? { gpuNames: Object.fromEntries(named.map(({ index, name }) => [index, name])) } : {}),
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

interface Usable {
  readonly index: number;
  /** What CUDA_VISIBLE_DEVICES calls it. */
  readonly name: string;
}

/** The GPU with most free memory first: what others run on this machine counts. */
async function usableGpus({ gpus: count, wantsGpu }: CapacityRequest): Promise<Usable[]> {
  const allowed = visibleDevices(process.env.CUDA_VISIBLE_DEVICES);
  if (count !== null) return numbered(allowed ?? [...Array(count).keys()].map(String)).slice(0, count);
  if (!wantsGpu || allowed?.length === 0) return [];
  const found = await detectGpus();
  const byFreeMemory = (list: readonly (Usable & { freeMb: number })[]) =>
    [...list].sort((a, b) => b.freeMb - a.freeMb || a.index - b.index);
  if (!allowed) return byFreeMemory(found.map((gpu) => ({ ...gpu, name: String(gpu.index) })));
  return byFreeMemory(
    numbered(allowed).flatMap(({ index, name }) => {
      // Parts of a GPU are not in this list of nvidia-smi: of them, the variable is believed.
      if (name.startsWith('MIG-')) return found.length > 0 ? [{ index, name, freeMb: 0 }] : [];
      const gpu = found.find((one) =>
        name.startsWith('GPU-') ? one.uuid.startsWith(name) : String(one.index) === name,
      );
      return gpu ? [{ index, name, freeMb: gpu.freeMb }] : [];
    }),
  );
}

/** By its index; where one has a name for it, each by its place in the list. */
function numbered(names: readonly string[]): Usable[] {
  const areIndices = names.every((name) => INDEX.test(name));
  return names.map((name, at) => ({ index: areIndices ? Number(name) : at, name }));
}

const INDEX = /^\d+$/;

/** The variable lists indices, or (beginnings of) UUIDs; CUDA passes over what stands behind the first that is neither. */
function visibleDevices(text: string | undefined): string[] | null {
  if (text === undefined) return null;
  const names = text.split(',').map((name) => name.trim());
  const end = names.findIndex((name) => !INDEX.test(name) && !/^(?:GPU|MIG)-/.test(name));
  return [...new Set(end < 0 ? names : names.slice(0, end))];
}

async function detectGpus(): Promise<Gpu[]> {
  const query = ['--query-gpu=index,uuid,memory.free', '--format=csv,noheader,nounits'];
  const answer = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 }).catch(() => null);
  return parseGpus(answer?.stdout ?? '');
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

/** A node sees its own GPUs only: none, where the machine has some that were given to others. */
export function environmentOf(
  { gpus, cores }: Allotment,
  limits: Pick<Capacity, 'gpus' | 'gpuNames'>,
): Record<string, string> {
  // libuv's four threads would be the limit of what a task decodes and encodes at once.
  const threads = { DAG_CORES: String(cores), UV_THREADPOOL_SIZE: String(Math.max(4, Math.ceil(cores))) };
  if (limits.gpus.length === 0) return threads;
  const names = gpus.map((index) => limits.gpuNames?.[index] ?? String(index));
  const { CUDA_VISIBLE_DEVICES: given, CUDA_DEVICE_ORDER: order } = process.env;
  // Indices are then nvidia-smi's, by PCI bus; CUDA's own begin with the fastest.
  const counting = given === undefined && order === undefined ? { CUDA_DEVICE_ORDER: 'PCI_BUS_ID' } : {};
  return { ...threads, ...counting, CUDA_VISIBLE_DEVICES: names.join(',') };
}
