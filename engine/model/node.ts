// What pipeline.yml becomes: nodes as plain data. Everything after `load/` (keys, plan, run, reports) reads these.

import type { Json } from '../task.ts';
import type { Diagnostic } from './diagnostic.ts';
import type { Resources } from './resources.ts';

/** One file or folder that a node reads. */
export interface Source {
  /** Relative to the project's root with forward slashes when inside it, else absolute. */
  readonly path: string;
  /** The node and output that make it; absent for a source file. `subpath` when only a part of the output is read. */
  readonly producer?: { readonly node: string; readonly output: string; readonly subpath?: string };
  /** Axis labels of the producer, empty for a source file. */
  readonly axes: Readonly<Record<string, string>>;
}

export interface InputRole {
  readonly name: string;
  /** True for a fan-in or a YAML list: the task sees a list, even of one. */
  readonly many: boolean;
  readonly sources: readonly Source[];
}

export interface Output {
  readonly name: string;
  /** Relative to the project's root, forward slashes, no trailing slash. */
  readonly path: string;
}

export type Action =
  /** `path` is relative to the project's root. */
  | { readonly kind: 'module'; readonly path: string }
  /** The command with every `${}` already replaced (inputs and outputs by their paths, relative to the root). */
  | { readonly kind: 'shell'; readonly command: string };

export interface Node {
  /** `train[model=efficientnet_b0,fold=2]`, or the task's name alone where it has no matrix. */
  readonly name: string;
  readonly task: string;
  /** Labels in the order of the matrix. */
  readonly axes: Readonly<Record<string, string>>;
  readonly action: Action;
  readonly params: Readonly<Record<string, Json>>;
  readonly inputs: readonly InputRole[];
  readonly outputs: readonly Output[];
  /** Names of nodes that must be done before this one although it reads nothing of theirs; not in the key. */
  readonly after: readonly string[];
  readonly resources: Resources;
  /** Names of environment variables whose values are in the key and are passed on. */
  readonly env: readonly string[];
  /** Tool name to the command that prints its version; the printed text is in the key. */
  readonly tools: Readonly<Record<string, string>>;
  readonly retries: number;
  readonly timeoutMs: number | null;
  /** A declared duration, used to order ready nodes until a record knows better. */
  readonly durationSeconds: number | null;
}

export interface Pipeline {
  /** Absolute path of the project's root (the folder of pipeline.yml) and of the file itself. */
  readonly root: string;
  readonly file: string;
  readonly profile: string | null;
  /** In the order of the file, a task's nodes in the order of its matrix. Acyclic: a cycle is a diagnostic. */
  readonly nodes: readonly Node[];
  /** Names of the nodes that a bare `dag run` builds (`default:` of the file, else all). */
  readonly defaults: readonly string[];
  readonly pools: Readonly<Record<string, number>>;
  /** What is no mistake, and may not be what was meant. */
  readonly warnings: readonly Diagnostic[];
}
