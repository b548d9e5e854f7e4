// What a node's result depends on, as plain data: keys are made of it, the index and the journal keep it, `why` compares it.
import type { Entry } from '../../cache/index.ts';
import type { Json } from '../task.ts';

export interface InputItem {
  /** Axis labels of the producer, `model=a,fold=0`; empty for a source file. */
  readonly axes: string;
  readonly path: string;
  readonly kind: Entry['kind'];
  readonly digest: string;
}

export interface Ingredients {
  readonly code:
    | ({ readonly kind: 'module'; readonly path: string } & Code)
    | { readonly kind: 'shell'; readonly command: string };
  readonly params: Readonly<Record<string, Json>>;
  readonly inputs: Readonly<Record<string, readonly InputItem[]>>;
  /** Environment variables and tool versions; null where a variable is not set. */
  readonly environment: Readonly<Record<string, string | null>>;
  readonly outputs: readonly string[];
}

export interface Code {
  readonly digest: string;
  /** Each source file that the bundle contains code of → digest of that code, to name what changed. */
  readonly files: Readonly<Record<string, string>>;
  /** Each imported npm package → version and digest of its dependencies' versions. */
  readonly packages: Readonly<Record<string, string>>;
  /** Each file or folder that the code names by its own place (relative to the root) → digest of its content, empty where nothing is. */
  readonly assets?: Readonly<Record<string, string>>;
  /** Code that is not in the digest. */
  readonly warnings?: readonly string[];
}
