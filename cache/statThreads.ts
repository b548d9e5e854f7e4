// Stats the files of one big folder on several threads: the no-op cost of a folder of a million files is its lstats, and
// Node makes them one at a time. Threads start at the first big folder and end with `close`.
import type fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Stat } from './stat.ts';

/** From here on threads (50 ms to start) pay: as many lstats take 60 ms. */
export const MANY_NAMES = 20_000;
const MAX_THREADS = 8;
const WIDTH = 6;

/** Rows of size, mtime, ctime, inode, device, mode, in the order of the names; mode 0 where `lstat` has to be asked again. */
export type StatTable = Float64Array;

export interface StatThreads {
  stat(folder: string, names: readonly string[]): Promise<StatTable | undefined>;
  close(): Promise<void>;
}

/** Undefined from `stat` means: not worth it here, ask one by one. */
export function newStatThreads(): StatThreads {
  const workers: Worker[] = [];
  const count = Math.min(MAX_THREADS, availableParallelism());
  return {
    async stat(folder, names) {
      if (count < 2) return undefined;
      while (workers.length < count) workers.push(new Worker(program(), { eval: true }));
      const share = Math.ceil(names.length / count);
      const parts = workers.map((worker, at) => ask(worker, folder, names.slice(at * share, (at + 1) * share)));
      const table = new Float64Array(names.length * WIDTH);
      for (const [at, part] of (await Promise.all(parts)).entries()) table.set(part, at * share * WIDTH);
      return table;
    },
    async close() {
      await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
    },
  };
}

/** Null for what is not an ordinary file or folder: a link has to be followed, and what is gone has to be noticed. */
export function statAt(table: StatTable, at: number): Stat | null {
  const base = at * WIDTH;
  const mode = table[base + 5]!;
  if (mode === 0) return null;
  return {
    size: table[base]!,
    mtimeMs: table[base + 1]!,
    ctimeMs: table[base + 2]!,
    ino: table[base + 3]!,
    dev: table[base + 4]!,
    mode,
  };
}

function ask(worker: Worker, folder: string, names: readonly string[]): Promise<Float64Array> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (part: Float64Array) => {
      worker.off('error', reject);
      resolve(part);
    });
    // One string is copied faster than many.
    worker.postMessage({ folder, names: names.join('/') });
  });
}

function program(): string {
  return `const { parentPort } = require('node:worker_threads');
const fs = require('node:fs');
const statAll = ${statAll.toString()};
parentPort.on('message', ({ folder, names }) => {
  const part = statAll(fs, folder, names === '' ? [] : names.split('/'));
  parentPort.postMessage(part, [part.buffer]);
});`;
}

/** Sent to the threads as text: it uses nothing but its arguments. */
function statAll(files: typeof fs, folder: string, names: readonly string[]): Float64Array {
  const rows = new Float64Array(names.length * 6);
  const quiet = { throwIfNoEntry: false } as const;
  names.forEach((name, at) => {
    const stat = files.lstatSync(`${folder}/${name}`, quiet);
    const kind = stat ? stat.mode & 0o170000 : 0;
    if (!stat || (kind !== 0o100000 && kind !== 0o040000)) return;
    const { size, mtimeMs, ctimeMs, ino, dev, mode } = stat;
    rows.set([size, mtimeMs, ctimeMs, ino, dev, mode], at * 6);
  });
  return rows;
}
