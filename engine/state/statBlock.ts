// The stats of many paths, packed into one buffer, and compared with what lies there now: by threads too where they are many, since
// Node asks for one at a time. Who finds a difference stops all.
//
// A block: u32 paths, u32 bytes of names, 6 doubles a path (size, mtime, ctime, inode, device, mode; size -1 where nothing lies),
// then the names in UTF-8 with a zero byte between, and up to seven more so that the next block begins at a multiple of eight.
import fs, { type Stats } from 'node:fs';
import os from 'node:os';
import { startHelper } from '../../cache/host/index.ts';

const WIDTH = 6;
const BLOCK_PATHS = 1024;
const BLOCK_HEAD = 8;
/** From here on a thread (35 ms to start) pays: as many stats take 70 ms. */
const MANY_PATHS = 30_000;
const MAX_THREADS = 8;

/** Null stands for nothing. */
export function packStats(paths: readonly string[], stats: readonly (Stats | null)[]): Buffer {
  const blocks: Buffer[] = [];
  for (let start = 0; start < paths.length; start += BLOCK_PATHS) {
    const names = Buffer.from(paths.slice(start, start + BLOCK_PATHS).join('\0'));
    const some = stats.slice(start, start + BLOCK_PATHS);
    const rows = Float64Array.from(some.flatMap((stat) => (stat ? rowOf(stat) : [-1, 0, 0, 0, 0, 0])));
    const head = Buffer.from(Uint32Array.of(some.length, names.length).buffer);
    blocks.push(head, Buffer.from(rows.buffer), names, Buffer.alloc(padding(names.length)));
  }
  return Buffer.concat(blocks);
}

const rowOf = ({ size, mtimeMs, ctimeMs, ino, dev, mode }: Stats) => [size, mtimeMs, ctimeMs, ino, dev, mode];
const padding = (bytes: number) => -bytes & 7;

/** What `packStats` gave, from `start` to the end of the memory: does it still hold? Paths are absolute, or relative to `root`. */
export function statsHold(bytes: SharedArrayBuffer, start: number, root: string): boolean {
  const blocks: number[] = [];
  let paths = 0;
  const view = new DataView(bytes);
  for (let at = start; at < bytes.byteLength; ) {
    if (at + BLOCK_HEAD > bytes.byteLength) return false;
    const count = view.getUint32(at, true);
    const names = view.getUint32(at + 4, true);
    blocks.push(at);
    paths += count;
    at += BLOCK_HEAD + count * WIDTH * 8 + names + padding(names);
    if (at > bytes.byteLength) return false;
  }
  const shared: Shared = {
    bytes,
    blocks,
    // A short path is found sooner.
    root: root === process.cwd() ? '' : `${root}/`,
    counts: new SharedArrayBuffer(12),
  };
  const threads = paths < MANY_PATHS ? 0 : Math.min(MAX_THREADS, os.availableParallelism()) - 1;
  const workers = Array.from({ length: threads }, () => startHelper(comparer, shared));
  const work = comparer(fs, shared);
  while (work());
  const counts = new Int32Array(shared.counts);
  for (let done = counts[DONE]!; done < blocks.length && counts[DIFFERS] === 0; done = Atomics.load(counts, DONE))
    // A block takes 3 ms. A thread that was ended from outside left its own undone: the long way finds out.
    if (Atomics.wait(counts, DONE, done, 2000) === 'timed-out') return false;
  for (const worker of workers) void worker.terminate();
  return counts[DIFFERS] === 0;
}

interface Shared {
  readonly bytes: SharedArrayBuffer;
  /** Where blocks begin. */
  readonly blocks: readonly number[];
  readonly root: string;
  /** Blocks that were begun, blocks that are done, and whether one differs. */
  readonly counts: SharedArrayBuffer;
}

const DONE = 1;
const DIFFERS = 2;

/** Compares the next block; false when none is left. Sent to the threads as text, so it uses nothing but its arguments. */
function comparer(files: typeof fs, { bytes, blocks, root, counts }: Shared): () => boolean {
  const [done, differs, width] = [1, 2, 6];
  const state = new Int32Array(counts);
  const quiet = { throwIfNoEntry: false } as const;
  const holds = (at: number): boolean => {
    const [count, nameBytes] = new Uint32Array(bytes, at, 2) as unknown as [number, number];
    const rows = new Float64Array(bytes, at + 8, count * width);
    const names = Buffer.from(bytes, at + 8 + rows.byteLength, nameBytes)
      .toString()
      .split('\0');
    const isAbsolute = (name: string) => name[0] === '/' || name[1] === ':';
    return names.every((name, index) => {
      const base = index * width;
      const stat = files.statSync(isAbsolute(name) ? name : root + name, quiet);
      if (!stat) return rows[base] === -1;
      return (
        rows[base] === stat.size &&
        rows[base + 1] === stat.mtimeMs &&
        rows[base + 2] === stat.ctimeMs &&
        rows[base + 3] === stat.ino &&
        rows[base + 4] === stat.dev &&
        rows[base + 5] === stat.mode
      );
    });
  };
  return () => {
    const at = blocks[Atomics.add(state, 0, 1)];
    if (at === undefined || state[differs] !== 0) return false;
    let same = false;
    try {
      same = holds(at);
    } catch {
      // What may not be asked for differs.
    }
    if (!same) Atomics.store(state, differs, 1);
    Atomics.add(state, done, 1);
    Atomics.notify(state, done);
    return true;
  };
}
