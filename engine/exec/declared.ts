// What a task may read and write inside the project, and how it is told of what else it did: a read that is not in the key is
// a change that goes unnoticed, a write that is no output is lost by the next restore.
import { realpathSync } from 'node:fs';
import path from 'node:path';

export type Use = 'reads' | 'writes';

/** Absolute paths of files and folders. */
export interface Declared {
  readonly inputs: readonly string[];
  /** What may be written too: outputs, scratch. */
  readonly own: readonly string[];
  /** Where else a file can be written that is not kept, for the advice. */
  readonly scratch: string;
}

/** Of one run of a task. */
export interface Judge {
  allows(use: Use, place: string): boolean;
  /** An absolute path that was used; kept when it lies in the project and was not declared. */
  see(use: Use, place: string): void;
  /** One line for each path, for the user. */
  lines(): string[];
}

const MOST_NAMED = 5;
/** Installed packages are in the key by their versions; `.dag` is ours. */
const OURS = ['node_modules', '.dag', '.git'];

export function createJudge(root: string, { inputs, own, scratch }: Declared): Judge {
  const writes = new Set(own.flatMap(namesOf));
  const reads = new Set([...writes, ...inputs.flatMap(namesOf)]);
  const roots = namesOf(root);
  const found = new Map<string, Use>();
  const allows = (use: Use, place: string) => isWithin(place, use === 'reads' ? reads : writes);
  return {
    allows,
    see(use, place) {
      if (allows(use, place)) return;
      const name = roots.map((one) => path.relative(one, place)).find(isInside);
      if (name === undefined || OURS.includes(name.split(path.sep)[0]!)) return;
      found.set(name, found.get(name) === 'writes' ? 'writes' : use);
    },
    lines() {
      // A folder that is told of stands for what is in it.
      const ofUse = (use: Use) => new Set([...found].flatMap(([name, its]) => (its === use ? [name] : [])));
      const told = { reads: ofUse('reads'), writes: ofUse('writes') };
      const names = [...found].filter(([name, use]) => !isWithin(path.dirname(name), told[use]));
      const lines = names.slice(0, MOST_NAMED).map(([name, use]) => describe(name, use, scratch));
      const more = names.length - lines.length;
      return more > 0 ? [...lines, `it opens ${more} more files of the project that it does not declare`] : lines;
    },
  };
}

/** Whether it is one of these files and folders, or lies in one. */
export function isWithin(place: string, folders: ReadonlySet<string>): boolean {
  for (let at = place; ; at = path.dirname(at)) {
    if (folders.has(at)) return true;
    if (at === path.dirname(at)) return false;
  }
}

const isInside = (name: string) => name !== '' && !name.startsWith('..') && !path.isAbsolute(name);

/** A path, and what it is behind symbolic links. It need not exist. */
function namesOf(place: string): string[] {
  const real = realOf(place);
  return real === place ? [place] : [place, real];
}

function realOf(place: string): string {
  try {
    return realpathSync.native(place);
  } catch {
    const folder = path.dirname(place);
    return folder === place ? place : path.join(realOf(folder), path.basename(place));
  }
}

function describe(name: string, use: Use, scratch: string): string {
  const file = name.split(path.sep).join('/');
  return use === 'reads'
    ? `it reads ${file} without declaring it: a change there would go unnoticed; add it to \`in:\` in pipeline.yml`
    : `it writes ${file} without declaring it: nothing restores that file; add it to \`out:\` in pipeline.yml, or write to ${scratch}`;
}
