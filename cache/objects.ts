// The store: bytes by digest, in objects/ab/cdef…, read-only. New bytes lie in a folder of this process until the
// barrier has synced them, and are renamed into place only then: so what is in objects/ is durable, always, and a
// record may point to it after a power cut at any instant.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { identify, isAlive } from './process.ts';
import type { Digest } from './types.ts';

export interface Objects {
  /** Where the bytes lie, or null. */
  locate(digest: Digest): string | null;
  /** A path for a new file on the store's disk. */
  temporary(): string;
  /** Takes a finished temporary file as the bytes of `digest`. */
  admit(digest: Digest, temporary: string): void;
  /** Admitted and not yet in place. */
  waiting(): ReadonlyMap<Digest, string>;
  /** Puts synced bytes in place; returns the folders to sync. */
  settle(synced: ReadonlyMap<Digest, string>): string[];
  /** The folder of an object that was there already: another process may not have synced its name yet. */
  folderOf(digest: Digest): string;
  /** Moves a damaged object out of the way, and says where to. */
  quarantine(digest: Digest): void;
  /** Removes this process' temporary folder. */
  close(): void;
}

export function openObjects(dir: string): Objects {
  const root = join(dir, 'objects');
  const aside = join(dir, 'damaged');
  const temporaries = join(dir, 'tmp');
  mkdirSync(root, { recursive: true });
  mkdirSync(temporaries, { recursive: true });
  sweep(temporaries);
  const own = join(temporaries, temporaryName());
  const waiting = new Map<Digest, string>();
  let count = 0;

  const place = (digest: Digest) => join(root, digest.slice(0, 2), digest.slice(2));
  return {
    locate(digest) {
      const pending = waiting.get(digest);
      if (pending) return pending;
      const path = place(digest);
      return existsSync(path) ? path : null;
    },
    temporary() {
      if (count === 0) mkdirSync(own, { recursive: true });
      return join(own, String(count++));
    },
    admit(digest, temporary) {
      if (waiting.has(digest)) rmSync(temporary, { force: true });
      else waiting.set(digest, temporary);
    },
    waiting: () => waiting,
    settle(synced) {
      const folders = new Set<string>();
      for (const [digest, temporary] of synced) {
        const path = place(digest);
        moveInto(temporary, path, folders);
        waiting.delete(digest);
        folders.add(dirname(path));
      }
      if (folders.has(root)) folders.add(dir);
      return [...folders];
    },
    folderOf: (digest) => dirname(place(digest)),
    quarantine(digest) {
      mkdirSync(aside, { recursive: true });
      try {
        renameSync(place(digest), join(aside, digest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    },
    close() {
      rmSync(own, { recursive: true, force: true });
    },
  };
}

function moveInto(temporary: string, path: string, folders: Set<string>): void {
  try {
    renameSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(dirname(path)));
    renameSync(temporary, path);
  }
  // A rename between two hard links to the same bytes does nothing and leaves the first name.
  rmSync(temporary, { force: true });
}

function temporaryName(): string {
  const { pid, started } = identify();
  return [encodeURIComponent(hostname()), pid, encodeURIComponent(started), Math.random().toString(36).slice(2)].join(
    '~',
  );
}

/** What killed processes of this machine left. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [host, pid, started] = name.split('~').map(decodeURIComponent);
    if (host !== hostname() || started === undefined) continue;
    if (!isAlive({ pid: Number(pid), started })) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** The disk (device) of what lies at a path or, where nothing lies, of the folder it would lie in. */
export function deviceOf(path: string): number {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at)) return statSync(at).dev;
    if (at === dirname(at)) return -1;
  }
}
