// What every kind of content store does: bytes and trees by their digests. The disk of this machine is the first kind
// (`objects.ts`). It does more, all of it for many processes on one disk: leases, hard links, files that wait to be synced.
import type { Digest } from '../types.ts';

/** A file, or the bytes of a small one. */
export type Content =
  | { readonly path: string }
  | { readonly path: null; readonly bytes: Uint8Array; readonly executable: boolean };

export interface ContentStore {
  /** Are the bytes here, as far as can be told without reading them? */
  has(digest: Digest): boolean;
  /** Null where they are not here. Who takes them hashes them on their way. */
  read(digest: Digest): Content | null;
  /** Takes the bytes, and a file with them: it lies where this store has its temporary files. */
  write(digest: Digest, content: Content): void;
  /** Removes files that nobody came to count on since; which these were. */
  delete(digests: Iterable<Digest>, unusedSinceMs: number): Set<Digest>;
  /** A folder's manifest, node by node: the folder's own or one of its chunks (`hash/merkle.ts`). Null where it is not here, whole. */
  tree(digest: Digest): Buffer | null;
}
