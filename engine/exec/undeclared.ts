// What a module task reads and writes inside the project without having declared it: a read that is not in the key is a change
// that goes unnoticed, a write that is no output is lost by the next restore. Node's own file functions are watched, in the
// task's thread; not seen are native libraries, child processes, worker threads, and `stat`, by which nothing is read.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import type { ModuleJob } from './protocol.ts';

export interface FileWatch {
  /** From now on what is opened is judged by this job's declarations. */
  begin(job: ModuleJob): void;
  /** One line for each path, for the user, and forgets them. */
  end(): string[];
}

type Kind = 'reads' | 'writes';
type Judge = (kind: Kind, file: unknown) => void;

const MOST_NAMED = 5;
/** Installed packages are in the key by their versions; `.dag` is ours. */
const OURS = ['node_modules', '.dag', '.git'];

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
export function watchFiles(root: string): FileWatch {
  let allowed: Record<Kind, string[]> | null = null;
  const found = new Map<string, Kind>();
  const judge: Judge = (kind, file) => {
    if (!allowed || typeof file !== 'string') return;
    const place = path.resolve(root, file);
    if (allowed[kind].some((one) => place === one || place.startsWith(one + path.sep))) return;
    const name = path.relative(root, place);
    if (name === '' || name.startsWith('..') || path.isAbsolute(name)) return;
    if (OURS.includes(name.split(path.sep)[0]!)) return;
    found.set(name, found.get(name) === 'writes' ? 'writes' : kind);
  };
  patch(fs as unknown as Functions, judge);
  patch(fs.promises as unknown as Functions, judge);
  syncBuiltinESMExports();
  return {
    begin(job) {
      found.clear();
      const own = [...Object.values(job.outputs), job.scratch, job.bundle];
      if (job.each) own.push(job.each.folder, job.each.cache);
      const inputs = Object.values(job.inputs).flatMap(({ items }) => items.map((item) => item.path));
      allowed = { reads: [...own, ...inputs], writes: own };
    },
    end() {
      allowed = null;
      const lines = [...found].slice(0, MOST_NAMED).map(([name, kind]) => describe(name, kind));
      const more = found.size - lines.length;
      found.clear();
      return more > 0 ? [...lines, `it opens ${more} more files of the project that it does not declare`] : lines;
    },
  };
}

function describe(name: string, kind: Kind): string {
  const file = name.split(path.sep).join('/');
  return kind === 'reads'
    ? `it reads ${file} without declaring it: a change there would go unnoticed; add it to \`in:\` in pipeline.yml`
    : `it writes ${file} without declaring it: nothing restores that file; add it to \`out:\` in pipeline.yml, or write to ctx.scratch`;
}

type Functions = Record<string, ((...args: unknown[]) => unknown) | undefined>;

function patch(functions: Functions, judge: Judge): void {
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
  watch(READERS, ([file]) => judge('reads', asPath(file)));
  watch(WRITERS, ([file]) => judge('writes', asPath(file)));
  watch(OPENERS, ([file, flags]) => judge(opensToWrite(flags) ? 'writes' : 'reads', asPath(file)));
  watch(MOVERS, ([from, to]) => {
    judge('reads', asPath(from));
    judge('writes', asPath(to));
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
