// When may a stat stand for the bytes? A file is taken as unchanged when size, mtime, ctime, inode and device are what
// they were when it was hashed, and the entry is not racy. This is sound on these conditions:
//  - Every write moves ctime (POSIX). So an mtime put back by `touch -d` is caught, and so is a rename over the file.
//  - The clock of the file system does not run backwards by more than its granularity between two writes.
//  - A write through mmap reaches the inode's times by msync or munmap, as POSIX has it.
//  - What was hashed reached the disk. A power cut can leave the new times with the old bytes, so an entry for a file that
//    was younger than two minutes (the kernel writes back after 30 s) is good only until the next boot.
// Racy: a write in the same clock tick as the hashing leaves no trace in the times. So a file whose times are not
// older than the start of its hashing, less one tick, is marked and hashed again next time.
//
// A folder whose stat is the same has the same names in it, on the same conditions: adding, removing and renaming move its
// times. It says nothing of the files, which are statted one by one.
import { existsSync, lstatSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Times in milliseconds as doubles: 0.24 µs apart today, far finer than the clock that stamps files. */
export interface Stat {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
  readonly dev: number;
  readonly mode: number;
}

/** The stamp lags behind the wall clock by up to a kernel tick: 10 ms at HZ=100, doubled to be safe. */
export const TICK_MS = 20;
/** Whole seconds in both times smell of FAT (2 s) or HFS+ and old NFS (1 s). */
const COARSE_TICK_MS = 2000;

const WRITEBACK_MS = 120_000;

export function isRacy(stat: Stat, hashedAtMs: number): boolean {
  // An mtime in the future says nothing (unpacked archives have them) as long as ctime is a real one.
  const newest = Math.max(stat.ctimeMs, stat.mtimeMs <= hashedAtMs ? stat.mtimeMs : 0);
  return newest >= hashedAtMs - tickMs(stat);
}

/** As `isRacy`, for a file that only we touched since it was hashed: our own link or rename moved its ctime. */
export function isRacyOwn(stat: Stat, hashedAtMs: number): boolean {
  return stat.mtimeMs >= hashedAtMs - tickMs(stat);
}

/** May the bytes still be in memory only? */
export function isYoung(stat: Stat, nowMs: number): boolean {
  return Math.max(stat.ctimeMs, stat.mtimeMs <= nowMs ? stat.mtimeMs : 0) > nowMs - WRITEBACK_MS;
}

function tickMs(stat: Stat): number {
  return stat.ctimeMs % 1000 === 0 && stat.mtimeMs % 1000 === 0 ? COARSE_TICK_MS : TICK_MS;
}

export const STAMP_BYTES = 40;
const RACY_STAMP = -1;
/** Of a stamp that is good for ever. */
const ANY_BOOT = 0;

/** A folder's stat, taken at `takenMs` or later, before its names were read,, as it is kept with them. */
export function stampOf(stat: Stat, takenMs: number, boot: number): Buffer {
  const trust = isRacy(stat, takenMs) ? RACY_STAMP : isYoung(stat, Date.now()) ? boot : ANY_BOOT;
  const { mtimeMs, ctimeMs, ino, dev } = stat;
  return Buffer.from(Float64Array.of(mtimeMs, ctimeMs, ino, dev, trust).buffer);
}

/** Are the names that were read under this stamp those that are there now? */
export function isStamped(stamp: Buffer, stat: Stat, boot: number): boolean {
  const trust = stamp.readDoubleLE(32);
  if (trust !== boot && trust !== ANY_BOOT) return false;
  if (stamp.readDoubleLE(0) !== stat.mtimeMs || stamp.readDoubleLE(8) !== stat.ctimeMs) return false;
  return stamp.readDoubleLE(16) === stat.ino && stamp.readDoubleLE(24) === stat.dev;
}

const KIND = 0o170000;

export function isFile(stat: Stat): boolean {
  return (stat.mode & KIND) === 0o100000;
}

export function isFolder(stat: Stat): boolean {
  return (stat.mode & KIND) === 0o040000;
}

/** In words, for messages about what is neither file nor folder. */
export function kindOf(stat: Stat): string {
  const kind = stat.mode & KIND;
  return kind === 0o140000 ? 'a socket' : kind === 0o010000 ? 'a pipe' : 'a device';
}

export function isExecutable(stat: Stat): boolean {
  return (stat.mode & 0o100) !== 0 && process.platform !== 'win32';
}

const QUIET = { throwIfNoEntry: false } as const;

/** Follows links; null where nothing lies, or something on the way is a file. */
export function statOrNull(path: string): Stats | null {
  try {
    return statSync(path, QUIET) ?? null;
  } catch (error) {
    return nullOrThrow(error);
  }
}

export function lstatOrNull(path: string): Stats | null {
  try {
    return lstatSync(path, QUIET) ?? null;
  } catch (error) {
    return nullOrThrow(error);
  }
}

function nullOrThrow(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return null;
  throw error;
}

/** The disk (device) of what lies at a path or, where nothing lies, of the folder it would lie in. */
export function deviceOf(path: string): number {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at)) return statSync(at).dev;
    if (at === dirname(at)) return -1;
  }
}
