// Batches of images from a folder of PNGs, decoded and warped by worker threads ahead of the step that wants them, in order.
// At most `workers + 1` batches are in the air, whatever the length of the data set.
import { Piscina } from 'piscina';
import { InputError } from '../../../engine/task.ts';
import type { LoadJob, LoadResult, Look } from './load.ts';

export interface Request {
  readonly names: readonly string[];
  readonly look: Look;
}

export interface Batch {
  readonly names: readonly string[];
  /** (views, names, 3, size, size), values 0..1. */
  readonly x: Float32Array;
  /** How long the consumer was kept waiting for this batch. */
  readonly waitSeconds: number;
}

/** Where batches come from; the training loop knows no more of the loader than this. */
export type Load = (requests: Iterable<Request>) => AsyncIterable<Batch>;

export interface Loader {
  readonly load: Load;
  close(): Promise<void>;
}

export interface LoaderOptions {
  /** Path of a module that exports `loadImages` (worker.ts): the task's own bundle, since that is the only file there is. */
  readonly entry: string;
  readonly workers: number;
  readonly folder: string;
  readonly kind: string;
  readonly size: number;
}

/** Starts the workers. `load` throws an InputError that names the file when an image cannot be read. */
export function createLoader({ entry, workers, folder, kind, size }: LoaderOptions): Loader {
  const pool = new Piscina({ filename: entry, name: 'loadImages', minThreads: workers, maxThreads: workers });
  const run = (request: Request): Promise<LoadResult> =>
    pool.run({ folder, kind, size, names: request.names, look: request.look } satisfies LoadJob);
  return { load: (requests) => ahead(requests, workers + 1, run), close: () => pool.destroy() };
}

/** How many loading threads go with `cores`: the step itself keeps all of them busy on a CPU. */
export function loaderWorkers(cores: number): number {
  return Math.max(1, Math.min(8, cores - 1));
}

async function* ahead(
  requests: Iterable<Request>,
  depth: number,
  run: (request: Request) => Promise<LoadResult>,
): AsyncGenerator<Batch> {
  const waiting: { request: Request; result: Promise<LoadResult> }[] = [];
  const source = requests[Symbol.iterator]();
  const start = (): void => {
    const next = source.next();
    if (next.done) return;
    const result = run(next.value);
    result.catch(() => {}); // Said when its turn comes; until then nobody listens.
    waiting.push({ request: next.value, result });
  };
  for (let i = 0; i < depth; i++) start();
  for (let head = waiting.shift(); head !== undefined; head = waiting.shift()) {
    const since = performance.now();
    const result = await head.result;
    const waitSeconds = (performance.now() - since) / 1000;
    if (!(result instanceof ArrayBuffer)) throw new InputError(result.problem);
    start();
    yield { names: head.request.names, x: new Float32Array(result), waitSeconds };
  }
}
