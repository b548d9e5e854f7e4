// Reads a file that another process appends to: whole lines as they come, what is not whole yet is left for later. A file
// that was begun anew (a log of the node's next run) is read from its start.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export interface Tail {
  /** What was appended since the last call; empty while the file is not there. */
  read(): Buffer;
}

const CHUNK = 1 << 20;

export function tailFile(file: string, from = 0): Tail {
  let offset = from;
  let inode = 0;
  return {
    read() {
      const handle = openIfThere(file);
      if (handle === null) return Buffer.alloc(0);
      try {
        const { size, ino } = fstatSync(handle);
        if (size < offset || (inode !== 0 && ino !== inode)) offset = 0;
        inode = ino;
        const bytes = Buffer.alloc(Math.min(CHUNK, size - offset));
        const count = readSync(handle, bytes, 0, bytes.length, offset);
        offset += count;
        return bytes.subarray(0, count);
      } finally {
        closeSync(handle);
      }
    },
  };
}

/** Whole lines of UTF-8. */
export function tailLines(file: string): { read(): string[] } {
  const tail = tailFile(file);
  let rest: Buffer = Buffer.alloc(0);
  return {
    read() {
      const lines: string[] = [];
      for (let bytes = tail.read(); bytes.length > 0; bytes = tail.read()) {
        const all = Buffer.concat([rest, bytes]);
        const end = all.lastIndexOf(10) + 1;
        rest = all.subarray(end);
        if (end > 0) lines.push(...all.toString('utf8', 0, end - 1).split('\n'));
      }
      return lines;
    },
  };
}

function openIfThere(file: string): number | null {
  try {
    return openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
