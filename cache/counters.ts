// What the cache did, for tests and for `--verbose`: the design is in these numbers, not in milliseconds.

export interface Counters {
  /** Folders read, files and folders statted, files hashed, and their bytes. */
  folders: number;
  stats: number;
  hashes: number;
  hashedBytes: number;
  /** Bytes handed to the index (stat cache, trees, records), and flushes of files or file systems. */
  indexBytes: number;
  syncs: number;
}

export function newCounters(): Counters {
  return { folders: 0, stats: 0, hashes: 0, hashedBytes: 0, indexBytes: 0, syncs: 0 };
}
