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

/** What the worker of `ctx.each` is given beside its item. */
export interface ItemContext<Params> {
  /** `params` of the call. */
  readonly params: Params;
  /** Variables that the task declares by `env:`, as in the task's own context. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The absolute path of an input of the node that is a single file or folder. */
  input(name: string): string;
  /** The absolute path of the folder in which to write those files of the item that `outputs` declares under this name. */
  output(name: string): string;
}

export interface EachOptions<Item, Params> {
  /** The item's identity from run to run: text, unique among the items. */
  key(item: Item): string;
  /** Absolute paths of all files that the item's result is made of, within the node's inputs; one more or less redoes it. */
  inputs(item: Item): readonly string[];
  /** By output of the node (a folder that holds nothing else): the files an item writes there, as relative paths. */
  readonly outputs?: Readonly<Record<string, (item: Item) => readonly string[]>>;
  /** What else results depend on: plain data. Another value redoes every item. */
  readonly params?: Params;
  /** What items are called in the log and in the progress: `files`. */
  readonly unit?: string;
}

/** The items' results in the order of the items; read from the disk as they are asked for, within the task's `run`. */
export interface EachResults<Result> extends Iterable<Result> {
  /** Items that were done now, because they are new or changed. */
  readonly changed: number;
  /** Items that an earlier run had and that are gone. */
  readonly removed: number;
}

export interface TaskContext<Params> {
  /** The node's name, for messages only: it is not part of the key, so a result must not depend on it. */
  readonly node: string;
  readonly params: Params;
  /** The variables of the environment that `env:` declares, and no others: undefined where one is not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The absolute path of an input that is a single file or folder. Throws where the input is a list. */
  input(name: string): string;
  /** An input as a list, ordered by the producer's matrix; a single input is a list of one. */
  inputs(name: string): readonly Artifact[];
  /** The absolute path to write an output to. Its parent exists; the task makes the file or folder. */
  output(name: string): string;
  /** A folder bound to the node's key. It survives a kill and a failure, and goes when the node succeeds. */
  readonly scratch: string;
  /** The absolute path of the one file that the task runs as, with all that it imports: what threads of its own are to load. */
  readonly bundle: string;
  /** The cores this node was given; not part of the key, so a result must not depend on it. */
  readonly cores: number;
  /** GPU indices given to this node (also set in CUDA_VISIBLE_DEVICES); empty without one. */
  readonly gpus: readonly number[];
  /**
   * Does what is new or changed among many items, on as many threads as the node has cores, and takes the rest from earlier
   * runs. A finished item outlives a kill. `worker` must be exported by the task's module, since threads look it up there,
   * and its result depends on nothing but the item, `params` and the bytes of `inputs`. All three are plain JSON data: what
   * JSON would change (NaN, undefined, a Map, a Date, an instance of a class) is refused by its place.
   * An item that cannot be done, but must not stop the others, says so in its result; what the worker throws fails the node.
   */
  each<Item, Result, Given = undefined>(
    items: readonly Item[],
    options: EachOptions<Item, Given>,
    worker: (item: Item, context: ItemContext<Given>) => Result | Promise<Result>,
  ): Promise<EachResults<Result>>;
  /**
   * Aborted by the first Ctrl-C (or SIGTERM, `dag stop`, an edit under `dag watch`), and, for a node of `resources:
   * { preemptible: true }`, when another needs its slots: stop at the next safe point by throwing `signal.reason`; the node goes on
   * later, from what is in `scratch`. A second Ctrl-C and the task's `timeout:` kill without asking.
   */
  readonly signal: AbortSignal;
  /** A line for the node's log. */
  log(message: string): void;
  /** A line that the user must see: printed in the terminal and kept with the result. */
  warn(message: string): void;
  /** How far the node is, e.g. `progress(120, 750_000, 'images')`. Cheap to call often. */
  progress(done: number, total: number, unit?: string): void;
  /** A number worth following while the node runs (a loss, an AUC), optionally by step. NaN and Infinity are shown as such. */
  metric(name: string, value: number, step?: number): void;
}

export interface Task<Params> {
  /** Checks and types the `params:` of pipeline.yml; a zod schema fits. Its errors are shown as wrong input. */
  readonly params?: { parse(raw: unknown): Params };
  /**
   * The task is over when this has settled and nothing is open any more that it started (timers, streams, children, threads), as
   * Node itself ends a program; only then outputs are read. What is thrown meanwhile and not caught fails the node, as does an exit
   * code other than 0. A worker of `ctx.each` ends in the same way, item by item.
   */
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
