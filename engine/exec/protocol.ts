// What the engine and the child process of a module task say to each other, over Node's IPC channel.
import type { Artifact, Json } from '../task.ts';

export interface ModuleJob {
  readonly node: string;
  /** Absolute path of the bundled module. */
  readonly bundle: string;
  readonly params: Readonly<Record<string, Json>>;
  readonly inputs: Readonly<Record<string, { readonly many: boolean; readonly items: readonly Artifact[] }>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  readonly cores: number;
  readonly gpus: readonly number[];
}

export type ToChild =
  | { readonly type: 'job'; readonly job: ModuleJob }
  | { readonly type: 'stop'; readonly reason: string };

export type FromChild =
  | { readonly type: 'progress'; readonly done: number; readonly total: number; readonly unit: string }
  | { readonly type: 'metric'; readonly name: string; readonly value: number; readonly step: number | null }
  | { readonly type: 'warn'; readonly message: string }
  | { readonly type: 'done'; readonly rssBytes: number }
  | { readonly type: 'error'; readonly kind: 'input' | 'task' | 'interrupted'; readonly message: string };
