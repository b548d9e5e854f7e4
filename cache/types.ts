// The words of the cache: digests, keys, entries, and counts of what it did. Plain data, known to every wing.

/** SHA-256 in lower-case hex, branded so that a path cannot pass for one. */
export type Digest = string & { readonly __digest: unique symbol };
/** An action key: SHA-256 over everything that a node's result depends on. */
export type Key = string & { readonly __key: unique symbol };

/** What lies at a path: a file by its bytes, a folder by its Merkle tree. */
export interface Entry {
  readonly kind: 'file' | 'folder';
  readonly digest: Digest;
  /** Total bytes of content. */
  readonly sizeBytes: number;
  /** Number of files: 1 for a file. */
  readonly files: number;
}

/** What the cache did, for tests and for `--verbose`: the design is in these numbers, not in milliseconds. */
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
