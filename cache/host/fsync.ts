// The durability barrier: makes files and folders durable, one by one when they are few, and with one syncfs (coreutils'
// `sync -f`) a disk when they are many.
import { execFile } from 'node:child_process';
import { close, closeSync, fsync, fsyncSync, open, openSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Counters } from '../types.ts';

const run = promisify(execFile);
/** fsync of a small file costs 0.5 ms on a disk that is otherwise idle, starting `sync` some 3 ms. */
const MANY = 32;
const AT_ONCE = 8;

let syncfsWorks = process.platform === 'linux';

/** A path that is gone is skipped: what is not there need not be durable. */
export async function makeDurable(paths: readonly string[], counters: Counters): Promise<void> {
  if (paths.length > MANY && syncfsWorks && (await syncDisks(paths, counters))) return;
  let next = 0;
  const work = async () => {
    while (next < paths.length) await syncOne(paths[next++]!, counters);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, paths.length) }, work));
}

async function syncDisks(paths: readonly string[], counters: Counters): Promise<boolean> {
  const disks = new Map<number, string>();
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat && !disks.has(stat.dev)) disks.set(stat.dev, path);
  }
  if (disks.size === 0) return true;
  try {
    counters.syncs += disks.size;
    await run('sync', ['-f', ...disks.values()]);
    return true;
  } catch (error) {
    // Not coreutils' sync: never ask again. Any other failure is told by the fsync of each file, with its name.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') syncfsWorks = false;
    return false;
  }
}

function syncOne(path: string, counters: Counters): Promise<void> {
  counters.syncs++;
  return new Promise((resolve, reject) => {
    open(path, 'r', (openError, file) => {
      if (openError) return openError.code === 'ENOENT' ? resolve() : reject(openError);
      fsync(file, (error) => {
        // Some file systems refuse fsync of a folder; there the rename is as durable as it gets.
        const refused = error?.code === 'EINVAL' || error?.code === 'EISDIR' || error?.code === 'EPERM';
        close(file, () => (error && !refused ? reject(error) : resolve()));
      });
    });
  });
}

/** One file's bytes, now. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
}
