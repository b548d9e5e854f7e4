// What everything in this wing works on: the index, the store, the scanner, and what they share.
import type { Database } from '../db/database.ts';
import type { LinkOption } from '../host/link.ts';
import type { Scanner } from '../scan/scanner.ts';
import type { Objects } from '../store/objects.ts';
import type { Counters, Digest } from '../types.ts';

export interface CacheParts {
  readonly database: Database;
  readonly objects: Objects;
  readonly scanner: Scanner;
  readonly counters: Counters;
  readonly link: LinkOption;
  /** Folders that were saved whole; the next barrier says so in the index. */
  readonly whole: Set<Digest>;
  /** Called at each step of saving and committing, for tests that stop there. */
  onStep(step: string): void;
}
