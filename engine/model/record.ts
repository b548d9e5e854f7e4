// What is kept of nodes, as plain data: a record per key (the result), a state per node name (its latest run).
import type { Entry, Key } from '../../cache/index.ts';
import type { Ingredients } from './ingredients.ts';
import type { Reason } from './reason.ts';

/** A person's word that a change of code left a result valid: the record of `from` was taken over for the key `to`. */
export interface Acceptance {
  readonly reason: string;
  readonly by: string;
  /** ISO 8601. */
  readonly at: string;
  readonly from: Key;
  readonly to: Key;
  /** What had changed, with both digests. */
  readonly changes: readonly Reason[];
}

/** The result of running with a key; every byte it names was durable before it was written. */
export interface NodeRecord {
  readonly node: string;
  readonly outputs: Readonly<Record<string, Entry>>;
  readonly seconds: number;
  readonly warnings: readonly string[];
  readonly ranAt: string;
  /** Oldest first; absent where the result was made with this very key. */
  readonly accepted?: readonly Acceptance[];
}

/** The key that a node's outputs in the work tree have now, with what it was made of: the base of every "why". */
export interface NodeState {
  readonly key: Key;
  readonly ingredients: Ingredients;
  /** Why it ran when it last ran. */
  readonly reasons: readonly Reason[];
  readonly seconds: number;
  readonly ranAt: string;
}
