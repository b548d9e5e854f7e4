// The one failure of the store that a caller handles: bytes that are not what their digest says, or not there.
import type { Digest } from './types.ts';

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
