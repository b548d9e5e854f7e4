// How bytes get from the work tree to the store and back: shared blocks (reflink) where the file system has them, else
// a hard link to read-only bytes where the user cannot write them by accident, else a copy.
import { constants, copyFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { deviceOf } from './stat.ts';

export type LinkOption = 'auto' | 'copy' | 'hardlink' | 'reflink';
export type Link = 'copy' | 'hardlink' | 'reflink';

/** By disk and temporary folder: whether a clone worked. */
const clones = new Map<string, boolean>();

/**
 * `temporary` gives a path for a trial file on the store's disk. Root writes through read-only modes, so for root a
 * hard link would let one careless command change the store: never, whatever is asked for.
 */
export function chooseLink(option: LinkOption, path: string, temporary: () => string): Link {
  if (option === 'copy') return 'copy';
  const store = temporary();
  if (deviceOf(path) !== deviceOf(store)) return 'copy';
  if (option !== 'hardlink' && canClone(store)) return 'reflink';
  if (option === 'reflink' || process.platform === 'win32' || process.getuid?.() === 0) return 'copy';
  return 'hardlink';
}

function canClone(trial: string): boolean {
  const disk = String(deviceOf(trial));
  let works = clones.get(disk);
  if (works === undefined) {
    works = tryClone(trial);
    clones.set(disk, works);
  }
  return works;
}

function tryClone(trial: string): boolean {
  try {
    writeFileSync(trial, 'clone');
    copyFileSync(trial, `${trial}.clone`, constants.COPYFILE_FICLONE_FORCE);
    return statSync(`${trial}.clone`).size === 5;
  } catch {
    return false;
  } finally {
    rmSync(trial, { force: true });
    rmSync(`${trial}.clone`, { force: true });
  }
}
