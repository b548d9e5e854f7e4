// Asks on several threads whether the files of known big folders are as they were: the no-op cost of a folder of a million
// files is its lstats, and Node makes them one at a time. The threads get the packed chunks of the listings in shared memory,
// compare there, and give back a byte a line; this thread reads the folders meanwhile, and then takes chunks like the others.
import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { startHelper } from '../host/threads.ts';
import type { PackedFolder } from './statCache.ts';

/** From here on a thread (35 ms to start) pays: as many lstats take 45 ms. */
export const MANY_FILES = 20_000;
const MAX_THREADS = 8;
const SLICE_MS = 10;
/** A thread that was ended from outside leaves its chunk undone: then it is done without. */
const LOST_MS = 5000;

export interface Restatted {
  readonly packed: PackedFolder;
  /** For each line: 1 is a file with the stats that it had when it was hashed. Anything else has to be looked at. */
  readonly fresh: Uint8Array;
}

export interface ParallelStat {
  /** Resolves when every line of the folder was asked for; undefined for a folder that was not among those given. */
  of(path: string): Promise<Restatted | undefined>;
  close(): Promise<void>;
}

interface Job {
  readonly bytes: SharedArrayBuffer;
  /** Of the chunk's first line, in `fresh`. */
  readonly line: number;
  readonly folder: number;
}

interface Shared {
  readonly jobs: readonly Job[];
  readonly folders: readonly string[];
  readonly fresh: SharedArrayBuffer;
  /** The next job, then how many of each folder are open. */
  readonly counts: SharedArrayBuffer;
  readonly boot: number;
}

/** The chunks of these folders lie in shared memory. */
export function startParallelStat(folders: ReadonlyMap<string, PackedFolder>, boot: number): ParallelStat {
  const { shared, placed } = share(folders, boot);
  const counts = new Int32Array(shared.counts);
  const threads = Math.min(MAX_THREADS, availableParallelism()) - 1;
  const workers = Array.from({ length: threads }, () => startHelper(checker, shared));
  const help = checker(fs, shared);
  const numbers = new Map(shared.folders.map((path, at) => [path, at]));
  return {
    async of(path) {
      const number = numbers.get(path);
      if (number === undefined) return undefined;
      for (let sliceStart = performance.now(); counts[1 + number]! > 0 && help(); ) {
        if (performance.now() - sliceStart < SLICE_MS) continue;
        await new Promise(setImmediate);
        sliceStart = performance.now();
      }
      // What is open now is under way in the threads, a millisecond each.
      for (let left = Atomics.load(counts, 1 + number); left > 0; left = Atomics.load(counts, 1 + number))
        if (Atomics.wait(counts, 1 + number, left, LOST_MS) === 'timed-out') break;
      return placed[number];
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

export function toShared(chunk: Buffer): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(chunk.length));
  copy.set(chunk);
  return copy;
}

function share(folders: ReadonlyMap<string, PackedFolder>, boot: number): { shared: Shared; placed: Restatted[] } {
  const jobs: Job[] = [];
  const opened = [0];
  const starts: number[] = [];
  let line = 0;
  for (const { packed } of folders.values()) {
    starts.push(line);
    for (const chunk of packed) {
      jobs.push({ bytes: chunk.buffer as unknown as SharedArrayBuffer, line, folder: starts.length - 1 });
      line += chunk.readUInt32LE(0);
    }
    opened.push(packed.length);
  }
  const fresh = new SharedArrayBuffer(line);
  const counts = new SharedArrayBuffer(opened.length * 4);
  new Int32Array(counts).set(opened);
  const placed = [...folders.values()].map((packed, at) => {
    const end = starts[at + 1] ?? line;
    return { packed, fresh: new Uint8Array(fresh, starts[at], end - starts[at]!) };
  });
  return { shared: { jobs, folders: [...folders.keys()], fresh, counts, boot }, placed };
}

/**
 * Does the next chunk; false when none is left. It is the threads' program too (host/threads.ts); the layout
 * and the flags are those of listing.ts.
 */
function checker(files: typeof fs, { jobs, folders, fresh, counts, boot }: Shared): () => boolean {
  const FOLDER_OR_RACY = 1 | 4;
  const YOUNG = 8;
  const quiet = { throwIfNoEntry: false } as const;
  const marks = new Uint8Array(fresh);
  const shared = new Int32Array(counts);
  const check = (bytes: SharedArrayBuffer, line: number, folder: string) => {
    const head = Buffer.from(bytes, 0, 16);
    const count = head.readUInt32LE(0);
    const distrusted = head.readUInt32LE(8) === boot ? FOLDER_OR_RACY : FOLDER_OR_RACY | YOUNG;
    const stats = new Float64Array(bytes, 16, count * 5);
    const flags = new Uint8Array(bytes, 16 + count * 72, count);
    const names = Buffer.from(bytes, 16 + count * 73, head.readUInt32LE(4))
      .toString()
      .split('\0');
    for (let index = 0; index < count; index++) {
      if (flags[index]! & distrusted) continue;
      const stat = files.lstatSync(`${folder}/${names[index]}`, quiet);
      const base = index * 5;
      const same =
        stat !== undefined &&
        stats[base + 1] === stat.mtimeMs &&
        stats[base + 2] === stat.ctimeMs &&
        stats[base] === stat.size &&
        stats[base + 3] === stat.ino &&
        stats[base + 4] === stat.dev &&
        (stat.mode & 0o170000) === 0o100000;
      if (same) marks[line + index] = 1;
    }
  };
  return () => {
    const job = jobs[Atomics.add(shared, 0, 1)];
    if (!job) return false;
    const { bytes, line, folder } = job;
    try {
      check(bytes, line, folders[folder]!);
    } catch {
      // Not marked: it is looked at again, and then said what is wrong.
    }
    Atomics.sub(shared, 1 + folder, 1);
    Atomics.notify(shared, 1 + folder);
    return true;
  };
}
