// Files that are written beside their place first and put there by a rename, so that a reader sees the old one or the new one, and
// never half of one. That is all: what has to outlast a power cut is synced as well (fsync.ts).
import { renameSync, writeFileSync } from 'node:fs';

export function writeAtomically(path: string, content: string | Uint8Array): void {
  const near = neighbour(path);
  writeFileSync(near, content);
  renameSync(near, path);
}

/** A new name beside a path, for a file that is on its way there. */
export function neighbour(path: string): string {
  return `${path}.dag-${process.pid}-${Math.random().toString(36).slice(2)}`;
}
