// The task contract: the only file of the engine that a task may import. Types, two error classes and
// `defineTask`; nothing here runs a task, so that a change to the engine never changes a task's code digest.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** One element of a fanned-in input: where it lies, and at which point of the producer's matrix it was made. */
export interface Artifact {
  /** Absolute path of a file or folder. */
  readonly path: string;
  /** The producer's axis labels, e.g. `{model: 'efficientnet_b0', fold: '2'}`; empty for a source file. */
  readonly axes: Readonly<Record<string, string>>;
}

export interface TaskContext<Params> {
  /** The node's name, for messages only: it is not part of the key, so a result must not depend on it. */
  readonly node: string;
  readonly params: Params;
  /** The absolute path of an input that is a single file or folder. Throws where the input is a list. */
  input(name: string): string;
  /** An input as a list, ordered by the producer's matrix; a single input is a list of one. */
  inputs(name: string): readonly Artifact[];
  /** The absolute path to write an output to. Its parent exists; the task makes the file or folder. */
  output(name: string): string;
  /** A folder bound to the node's key. It survives a kill and a failure, and goes when the node succeeds. */
  readonly scratch: string;
  /** The cores this node was given; not part of the key, so a result must not depend on it. */
  readonly cores: number;
  /** GPU indices given to this node (also set in CUDA_VISIBLE_DEVICES); empty without one. */
  readonly gpus: readonly number[];
  /** Aborted by the first Ctrl-C, or a time limit: stop at the next safe point by throwing `signal.reason`. */
  readonly signal: AbortSignal;
  /** A line for the node's log. */
  log(message: string): void;
  /** A line that the user must see: printed in the terminal and kept with the result. */
  warn(message: string): void;
  /** How far the node is, e.g. `progress(120, 750_000, 'images')`. Cheap to call often. */
  progress(done: number, total: number, unit?: string): void;
  /** A number worth following while the node runs (a loss, an AUC), optionally by step. */
  metric(name: string, value: number, step?: number): void;
}

export interface Task<Params> {
  /** Checks and types the `params:` of pipeline.yml; a zod schema fits. Its errors are shown as wrong input. */
  readonly params?: { parse(raw: unknown): Params };
  run(context: TaskContext<Params>): Promise<void> | void;
}

/** Gives a task its types: `export default defineTask({ params: z.object({…}), async run(ctx) {…} })`. */
export function defineTask<Params = unknown>(task: Task<Params>): Task<Params> {
  return task;
}

/** The data or parameters are wrong, not the program: one clear message, no stack, exit code 2. */
export class InputError extends Error {
  override readonly name = 'InputError';
}
