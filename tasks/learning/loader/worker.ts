// What a worker thread calls. The task's entry module exports this function again, because a bundled task is one file and its
// workers start from it.
import { move } from 'piscina';
import { type LoadJob, type LoadResult, load } from './load.ts';

/** `load`, its pixels handed over instead of copied. */
export async function loadImages(job: LoadJob): Promise<LoadResult> {
  const result = await load(job);
  return result instanceof ArrayBuffer ? (move(result) as ArrayBuffer) : result;
}
