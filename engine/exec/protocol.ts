// What the engine and the child process of a module task say to each other, over Node's IPC channel.
import type { Entry } from '../../cache/index.ts';
import type { Artifact, Json } from '../task.ts';

export interface ModuleJob {
  readonly node: string;
  /** Absolute path of the bundled module. */
  readonly bundle: string;
  /** Stands for the npm packages that it imports: a process that loaded others is not for this job. */
  readonly packages: string;
  /** Absolute paths of files and folders that are in the key with the code. */
  readonly assets: readonly string[];
  readonly params: Readonly<Record<string, Json>>;
  /** The variables that it declares; null: not set. */
  readonly env: Readonly<Record<string, string | null>>;
  readonly inputs: Readonly<Record<string, { readonly many: boolean; readonly items: readonly Artifact[] }>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  readonly cores: number;
  readonly gpus: readonly number[];
  /** Null: `ctx.each` remembers nothing, and does every item. */
  readonly each: EachJob | null;
}

/** What `ctx.each` needs to know to do only what is new. */
export interface EachJob {
  /** What is remembered of the node's items: a folder bound to its name, not to its key. */
  readonly folder: string;
  /** The cache's DIR. */
  readonly cache: string;
  /** Digest of what the node's key is made of besides params and inputs. */
  readonly code: string;
  /** By input, in order: what it was when the key was made. */
  readonly entries: Readonly<Record<string, readonly Entry[]>>;
  /** By output: what the node's last recorded run made. */
  readonly previous: Readonly<Record<string, Entry | null>>;
  /** By output: its absolute path in the work tree. */
  readonly targets: Readonly<Record<string, string>>;
  /** The node is forced: forget what there is. */
  readonly anew: boolean;
}

/** `ctx.each` has done all items. */
export interface EachMessage {
  readonly type: 'each';
  /** Where they are remembered; to be confirmed once the node is recorded. */
  readonly folder: string;
  readonly outputs: readonly EachOutput[];
}

/** An output that is the files in `folder`, and those of `base` that are not listed in the file `removed` (a JSON list). */
export interface EachOutput {
  readonly name: string;
  readonly folder: string;
  readonly base: Entry | null;
  readonly removed: string | null;
}

export type ToChild =
  | { readonly type: 'job'; readonly job: ModuleJob }
  | { readonly type: 'stop'; readonly reason: string }
  | { readonly type: 'indexed' };

/** What a node says while it runs. */
export type NodeMessage =
  | { readonly type: 'progress'; readonly done: number; readonly total: number; readonly unit: string }
  | { readonly type: 'metric'; readonly name: string; readonly value: number; readonly step: number | null }
  | { readonly type: 'warn'; readonly message: string }
  /** A new process has imported the module, and with it its packages. */
  | { readonly type: 'loaded' }
  | EachMessage;

export type FromChild =
  | NodeMessage
  /** Asks for `indexed` once the cache's index has on the disk what the engine knows. */
  | { readonly type: 'index' }
  /** One that is not kept is done once its process has ended with exit code 0. */
  | { readonly type: 'done'; readonly rssBytes: number; readonly isKept: boolean }
  | { readonly type: 'error'; readonly kind: 'input' | 'task' | 'interrupted'; readonly message: string };
