// Spreads batches of work over worker threads and hands the results back in the order of the batches, so that what is
// written never depends on how many workers there were. Few batches are in flight at a time: memory stays bounded.
import { setImmediate } from 'node:timers/promises';

export interface Work<Batch, Result> {
  /** `import.meta.url` of the task's entry: after bundling, the one file that the workers load as well. */
  readonly module: string;
  /** Does a batch, and the name under which the entry exports it: how a worker finds it. */
  readonly worker: (batch: Batch) => Result | Promise<Result>;
  readonly exportedAs: string;
  readonly cores: number;
  readonly signal: AbortSignal;
  readonly batches: Iterable<Batch>;
  /** Called once a batch, in order. */
  readonly take: (result: Result, batch: Batch) => void | Promise<void>;
}

/**
 * Rejects with the first error of a worker or of `take`, or with the signal's reason. On one core the batches are done in
 * this thread: starting a worker takes longer than many a small set.
 */
export async function runBatches<Batch, Result>(work: Work<Batch, Result>): Promise<void> {
  const threads = Math.max(1, Math.floor(work.cores));
  if (threads > 1) return runThreads(work, threads);
  for (const batch of work.batches) {
    await setImmediate(); // Lets a signal in.
    work.signal.throwIfAborted();
    await work.take(await work.worker(batch), batch);
  }
}

const IN_FLIGHT_PER_WORKER = 3;

async function runThreads<Batch, Result>(work: Work<Batch, Result>, threads: number): Promise<void> {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({ filename: work.module, name: work.exportedAs, minThreads: threads, maxThreads: threads });
  const pending: { batch: Batch; result: Promise<Result> }[] = [];
  const takeFirst = async () => {
    const { batch, result } = pending.shift()!;
    await work.take(await result, batch);
  };
  try {
    for (const batch of work.batches) {
      work.signal.throwIfAborted();
      const result = pool.run(batch) as Promise<Result>;
      result.catch(() => {}); // Awaited below, in order; until then a rejection must not count as unhandled.
      pending.push({ batch, result });
      if (pending.length >= threads * IN_FLIGHT_PER_WORKER) await takeFirst();
    }
    while (pending.length > 0) {
      work.signal.throwIfAborted();
      await takeFirst();
    }
  } finally {
    await pool.destroy();
  }
}

/** Cuts a list into pieces of `size`. */
export function* inBatches<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}
