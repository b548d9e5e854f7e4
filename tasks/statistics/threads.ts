// A list of jobs on worker threads, the results in the order of the jobs, so that nothing depends on how many threads there
// were. For work on numbers in memory; what reads and writes files item by item is `context.each`'s.

export interface Threads {
  /** `context.bundle`: the one file that the workers load as well. */
  readonly module: string;
  readonly cores: number;
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number) => void;
}

const IN_FLIGHT_PER_WORKER = 2;

/**
 * `worker` must be exported by the entry under `exportedAs`, where threads look it up. On one core the jobs are done in this
 * thread. Few jobs are in the air at a time: each carries its data. Rejects with a worker's error or the signal's reason.
 */
export async function mapOnThreads<Job, Result>(
  jobs: Iterable<Job>,
  total: number,
  worker: (job: Job) => Result,
  exportedAs: string,
  { module, cores, signal, progress }: Threads,
): Promise<Result[]> {
  const results: Result[] = [];
  const take = (result: Result): void => progress(results.push(result), total);
  if (cores < 2) {
    for (const job of jobs) {
      signal.throwIfAborted();
      take(worker(job));
    }
    return results;
  }
  const { Piscina } = await import('piscina');
  const threads = Math.min(cores, total);
  const pool = new Piscina({ filename: module, name: exportedAs, minThreads: threads, maxThreads: threads });
  const pending: Promise<Result>[] = [];
  try {
    for (const job of jobs) {
      signal.throwIfAborted();
      const result = pool.run(job) as Promise<Result>;
      result.catch(() => {}); // Awaited below, in order; until then a rejection must not count as unhandled.
      pending.push(result);
      if (pending.length >= threads * IN_FLIGHT_PER_WORKER) take(await pending.shift()!);
    }
    for (const result of pending) {
      signal.throwIfAborted();
      take(await result);
    }
    return results;
  } finally {
    await pool.destroy();
  }
}
