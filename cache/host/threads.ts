// Threads that help with a loop. Their program is a function sent as text, so it uses nothing but its arguments. A file of its own
// would start no sooner (27 ms, a file 28 to 33), every bundle would need it built beside it, and from source Node 20 could not run it.
import type fs from 'node:fs';
import { Worker } from 'node:worker_threads';

/** `begin` gives the step that each thread repeats until it says false. What goes wrong there is left for others to do. */
export function startHelper<D>(begin: (files: typeof fs, data: D) => () => boolean, data: D): Worker {
  const program = `const step = (${begin.toString()})(require('node:fs'), require('node:worker_threads').workerData);
while (step());`;
  const worker = new Worker(program, { eval: true, workerData: data });
  worker.on('error', () => {});
  worker.unref();
  return worker;
}
