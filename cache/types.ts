// The words of the cache: digests, entries, records. Plain data, known to every room that stores or restores bytes.

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
