// Watches what a module task uses without having declared it: what it reads and writes inside the project (declared.ts), and variables
// of the environment (variables.ts). Node's own file functions are watched, in the task's thread; not seen are native libraries,
// child processes, worker threads, and `stat`, by which nothing is read.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { createJudge, type Judge, type Use } from '../declared.ts';
import type { ModuleJob } from '../protocol.ts';
import { undeclaredVariables, watchVariables } from './variables.ts';

export interface UseWatch {
  /** From now on what is opened is judged by this job's declarations. */
  begin(job: ModuleJob): void;
  /** Variables that threads of the task read. */
  addVariables(names: readonly string[]): void;
  /** One line for each path and variable, for the user, and forgets the paths. */
  end(): string[];
}

type See = (use: Use, file: unknown) => void;

const READERS = ['readFile', 'readFileSync', 'createReadStream', 'readdir', 'readdirSync', 'opendir', 'opendirSync'];
const WRITERS = [
  'writeFile',
  'writeFileSync',
  'appendFile',
  'appendFileSync',
  'createWriteStream',
  'mkdir',
  'mkdirSync',
];
const OPENERS = ['open', 'openSync'];
/** From the first argument to the second. */
const MOVERS = ['copyFile', 'copyFileSync', 'cp', 'cpSync', 'rename', 'renameSync', 'link', 'linkSync'];

/** Once a process: the functions stay replaced. */
export function watchUses(root: string): UseWatch {
  const variables = watchVariables();
  let job: ModuleJob | null = null;
  let judge: Judge | null = null;
  const see: See = (use, file) => {
    if (typeof file === 'string') judge?.see(use, path.resolve(root, file));
  };
  patch(fs as unknown as Functions, see);
  patch(fs.promises as unknown as Functions, see);
  syncBuiltinESMExports();
  return {
    begin(begun) {
      job = begun;
      // The engine's own files lie in the project where the project is the engine's.
      const own = [...Object.values(begun.outputs), begun.scratch, begun.bundle, import.meta.dirname];
      if (begun.each) own.push(begun.each.folder, begun.each.cache);
      const inputs = Object.values(begun.inputs).flatMap(({ items }) => items.map((item) => item.path));
      judge = createJudge(root, { inputs: [...inputs, ...begun.assets], own, scratch: 'ctx.scratch' });
    },
    addVariables: (names) => job && variables.add(job.bundle, names),
    end() {
      const files = judge?.lines() ?? [];
      judge = null;
      return job ? [...files, ...undeclaredVariables(variables.readBy(job.bundle), job.env)] : files;
    },
  };
}

type Functions = Record<string, ((...args: unknown[]) => unknown) | undefined>;

function patch(functions: Functions, see: See): void {
  const watch = (names: readonly string[], look: (args: unknown[]) => void) => {
    for (const name of names) {
      const original = functions[name];
      if (typeof original !== 'function') continue;
      const watched = function (this: unknown, ...args: unknown[]) {
        look(args);
        return original.apply(this, args);
      };
      functions[name] = Object.assign(watched, original);
    }
  };
  watch(READERS, ([file]) => see('reads', asPath(file)));
  watch(WRITERS, ([file]) => see('writes', asPath(file)));
  watch(OPENERS, ([file, flags]) => see(opensToWrite(flags) ? 'writes' : 'reads', asPath(file)));
  watch(MOVERS, ([from, to]) => {
    see('reads', asPath(from));
    see('writes', asPath(to));
  });
}

function asPath(file: unknown): unknown {
  if (file instanceof URL && file.protocol === 'file:') return decodeURIComponent(file.pathname);
  return Buffer.isBuffer(file) ? file.toString() : file;
}

function opensToWrite(flags: unknown): boolean {
  if (typeof flags === 'number') return (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0;
  return typeof flags === 'string' && /[wa+]/.test(flags);
}
