// A call of `ctx.each` as plain data: every item with its key and the files it will write, checked once.
import path from 'node:path';
import type { EachOptions } from '../../../task.ts';
import type { ItemFile, Worker } from './item.ts';
import { refuseUnsayable } from './plain.ts';

export interface Call {
  readonly items: readonly unknown[];
  readonly keys: readonly string[];
  /** By item: what it writes. */
  readonly files: readonly (readonly ItemFile[])[];
  /** Absolute paths of what an item reads. */
  inputs(at: number): readonly string[];
  /** Names of the node's outputs that items write to. */
  readonly outputs: readonly string[];
  readonly worker: Worker;
  /** The name under which the task's module exports the worker. */
  readonly exportedAs: string;
  readonly params: unknown;
  readonly unit: string;
}

type Options = EachOptions<unknown, unknown>;

/** Throws where two items have one key or one file, a path leaves its output, or the worker is not exported. */
export function readCall(
  module: Readonly<Record<string, unknown>>,
  items: readonly unknown[],
  options: Options,
  worker: Worker,
): Call {
  const exportedAs = Object.keys(module).find((name) => module[name] === worker);
  if (exportedAs === undefined) {
    throw new Error(
      'the worker given to ctx.each is not exported by the task: threads find it among the exports of the file named in `use:`',
    );
  }
  const outputs = Object.entries(options.outputs ?? {});
  checkFunctions({ key: options.key, inputs: options.inputs, ...options.outputs });
  const keys = items.map((item) => options.key(item));
  for (const [at, item] of items.entries()) refuseUnsayable(`${keys[at]}: item`, item);
  refuseUnsayable('params of ctx.each', options.params ?? null);
  const files = items.map((item) =>
    outputs.flatMap(([output, filesOf]) =>
      listOf('writes', `output "${output}"`, filesOf(item)).map((file) => ({ output, path: file })),
    ),
  );
  checkKeys(keys);
  checkFiles(keys, files);
  return {
    items,
    keys,
    files,
    inputs: (at) => listOf('reads', '`inputs`', options.inputs(items[at])),
    outputs: outputs.map(([name]) => name),
    worker,
    exportedAs,
    params: options.params,
    unit: options.unit ?? 'items',
  };
}

/** Types say so too, but a task need not be checked. */
function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  const wrong = Object.keys(functions).find((name) => typeof functions[name] !== 'function');
  if (wrong !== undefined) throw new Error(`ctx.each wants \`${wrong}\` in its options: a function of an item`);
}

function listOf(does: 'reads' | 'writes', what: string, files: readonly string[]): readonly string[] {
  if (Array.isArray(files)) return files;
  throw new Error(`ctx.each wants a list of the files that an item ${does} from the function of ${what}`);
}

function checkKeys(keys: readonly string[]): void {
  const wrong = keys.find((key) => typeof key !== 'string');
  if (wrong !== undefined) throw new Error(`ctx.each wants a text from \`key\`, and was given ${wrong}`);
  if (new Set(keys).size === keys.length) return;
  const seen = new Set<string>();
  const twin = keys.find((key) => seen.has(key) || !seen.add(key));
  throw new Error(`two items given to ctx.each have the same key: ${twin}`);
}

function checkFiles(keys: readonly string[], files: Call['files']): void {
  const owners = new Map<string, number>();
  for (const [at, list] of files.entries()) {
    for (const file of list) {
      if (!isPlain(file.path)) {
        throw new Error(
          `${keys[at]} writes "${file.path}", which is not a relative path within output "${file.output}"`,
        );
      }
      const place = `${file.output}/${file.path}`;
      const owner = owners.get(place);
      if (owner !== undefined)
        throw new Error(`${keys[owner]} and ${keys[at]} both write ${file.path} of output "${file.output}"`);
      owners.set(place, at);
    }
  }
}

function isPlain(file: string): boolean {
  return (
    file !== '' &&
    file !== '.' &&
    !path.posix.isAbsolute(file) &&
    !file.startsWith('..') &&
    path.posix.normalize(file) === file &&
    !file.endsWith('/')
  );
}
