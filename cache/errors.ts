// What a caller of the cache handles: each says what lies where, and what to do.
import type { Digest } from './types.ts';

/**
 * What lies at a path and has no content to hash: a link to nothing, a loop of links, a socket, a folder that may not be read.
 * Whoever put it there has to take it away.
 */
export class Unhashable extends Error {
  override readonly name = 'Unhashable';
}

/** Bytes of the store that are not what their digest says, or not there. */
export class StoreDamage extends Error {
  override readonly name = 'StoreDamage';
  readonly digest: Digest;
  /** The object's path in the store. */
  readonly path: string;

  constructor(digest: Digest, path: string, found: 'missing' | 'altered') {
    const what =
      found === 'missing' ? 'is missing' : 'does not have the bytes its digest says; it was moved to damaged/';
    super(`what is stored as ${path} ${what}. What it was made from has to run again`);
    this.digest = digest;
    this.path = path;
  }
}
