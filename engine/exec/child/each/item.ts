// One item of `ctx.each`: the worker called, and when all that it started is over (rest.ts) its files checked and hashed, its inputs
// statted. The same on the task's own thread and on worker threads, for which this file is the program as well.

import { hash } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { own } from '../../../model/own.ts';
import type { ItemContext } from '../../../task.ts';
import { createRest, type Rest } from '../rest.ts';
import { messageOf, shown } from '../thrown.ts';
import { type Declared, declaredVariables, watchVariables } from '../variables.ts';
import { refuseUnsayable } from './plain.ts';

/** What every item of a call has in common; plain data, sent to a thread once. */
export interface ItemSetup {
  readonly bundle: string;
  readonly env: Declared;
  readonly exportedAs: string;
  readonly params: unknown;
  readonly inputs: Readonly<Record<string, string>>;
  /** Output name → the folder that items write to. */
  readonly outputs: Readonly<Record<string, string>>;
}

export interface ItemTask {
  readonly index: number;
  readonly key: string;
  readonly item: unknown;
  readonly inputs: readonly string[];
  readonly files: readonly ItemFile[];
  /** Done by a run that was cut short: the digests its files had then. If they still have them, there is nothing to do. */
  readonly expected: readonly string[] | null;
}

export interface ItemFile {
  readonly output: string;
  /** Relative to the output, forward slashes. */
  readonly path: string;
}

export interface ItemDone {
  readonly index: number;
  /** JSON; null: the files of `expected` were as they should. */
  readonly result: string | null;
  /** SHA-256 of each file, in the order of `files`. */
  readonly digests: readonly string[];
  /** What `stampOf` gives for the inputs; empty where they changed meanwhile or may yet change unnoticed. */
  readonly stamp: string;
}

export interface ItemFailed {
  readonly index: number;
  readonly error: { readonly name: string; readonly message: string; readonly stack: string };
}

export type Worker = (item: unknown, context: ItemContext<unknown>) => unknown;

/** What a thread says: that it has loaded the task's module, then what came of each batch. */
export type FromThread =
  | { readonly type: 'loaded' }
  | { readonly type: 'warn'; readonly message: string }
  | {
      readonly type: 'answers';
      readonly answers: readonly (ItemDone | ItemFailed)[];
      readonly ms: number;
      /** What of the environment the task's code has read in the thread. */
      readonly variables: readonly string[];
    };

/** Does items one after the other; after one that failed it does no more. */
export type Doer = (tasks: readonly ItemTask[]) => Promise<(ItemDone | ItemFailed)[]>;

interface Thread {
  readonly rest: Rest;
  warn(message: string): void;
}

export function createDoer(setup: ItemSetup, worker: Worker, thread: Thread): Doer {
  const context: ItemContext<unknown> = {
    params: setup.params,
    env: declaredVariables(setup.env),
    input: (name) => named(setup.inputs, name, 'an input that is one file or folder'),
    output: (name) => named(setup.outputs, name, 'one of the `outputs` given to ctx.each'),
  };
  const call = ({ key, item }: ItemTask) =>
    thread.rest.item(
      () => worker(item, context),
      (open) => thread.warn(`${key}: its worker has returned; waiting for what it did not await: ${open}`),
    );
  return async (tasks) => {
    const answers: (ItemDone | ItemFailed)[] = [];
    for (const task of tasks) {
      try {
        answers.push(verified(setup, task) ?? (await doItem(setup, task, () => call(task))));
      } catch (thrown) {
        const name = thrown instanceof Error ? thrown.name : 'Error';
        const error = { name, message: `${task.key}: ${messageOf(thrown)}`, stack: shown(thrown) };
        answers.push({ index: task.index, error });
        break;
      }
    }
    return answers;
  };
}

function named(paths: Readonly<Record<string, string>>, name: string, what: string): string {
  const found = own(paths, name);
  if (found === undefined) throw new Error(`"${name}" is not ${what}`);
  return found;
}

function verified(setup: ItemSetup, { index, files, expected }: ItemTask): ItemDone | null {
  if (!expected) return null;
  const right = files.every((file, at) => digestOf(placeOf(setup, file)) === expected[at]);
  return right ? { index, result: null, digests: expected, stamp: '' } : null;
}

async function doItem(setup: ItemSetup, task: ItemTask, call: () => unknown): Promise<ItemDone> {
  for (const file of task.files) {
    const place = placeOf(setup, file);
    rmSync(place, { force: true });
    if (file.path.includes('/')) mkdirSync(path.dirname(place), { recursive: true });
  }
  const begunMs = Date.now();
  const result = (await call()) ?? null;
  refuseUnsayable('result', result);
  const digests = task.files.map((file) => {
    const digest = digestOf(placeOf(setup, file));
    if (digest === null)
      throw new Error(`it was done, but its file ${file.path} of output "${file.output}" is not there`);
    return digest;
  });
  return { index: task.index, result: JSON.stringify(result), digests, stamp: stampOf(task.inputs, begunMs) };
}

function placeOf(setup: ItemSetup, file: ItemFile): string {
  return path.join(setup.outputs[file.output]!, file.path);
}

function digestOf(place: string): string | null {
  try {
    return hash('sha256', readFileSync(place), 'hex');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A write within a tick of the file system's clock leaves no trace in the times (see cache/host/stat.ts). */
const TICK_MS = 20;

/**
 * Size, times, inode and device of files, in 32 hex digits; empty where one is missing, or was changed since `sinceMs` or too
 * shortly before to tell. So one look after an item was done says that nothing changed while it was.
 */
export function stampOf(files: readonly string[], sinceMs = Date.now()): string {
  const parts: string[] = [];
  const racyMs = sinceMs - TICK_MS;
  for (const file of files) {
    const stat = lstatSync(file, { throwIfNoEntry: false });
    // A link's own times say nothing of the bytes: such items are never taken from a run that was cut short.
    if (!stat || stat.isSymbolicLink() || stat.ctimeMs >= racyMs) return '';
    parts.push(`${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino} ${stat.dev}`);
  }
  return hash('sha256', parts.join('\n'), 'hex').slice(0, 32);
}

/** The life of a worker thread: batches in, answers out. */
export async function serveItems(): Promise<void> {
  const setup = workerData as ItemSetup;
  const variables = watchVariables();
  const port = parentPort!;
  const tell = (message: FromThread) => port.postMessage(message);
  const rest = createRest(port, (thrown) => {
    throw thrown; // Ends the thread, which the task's own hears.
  });
  const module = (await import(pathToFileURL(setup.bundle).href)) as Record<string, Worker>;
  const work = createDoer(setup, module[setup.exportedAs]!, {
    rest,
    warn: (message) => tell({ type: 'warn', message }),
  });
  let last = Promise.resolve();
  port.on('message', (tasks: readonly ItemTask[]) => {
    last = last.then(async () => {
      const begunMs = performance.now();
      const answers = await work(tasks);
      tell({ type: 'answers', answers, ms: performance.now() - begunMs, variables: variables.readBy(setup.bundle) });
    });
  });
  tell({ type: 'loaded' });
}
