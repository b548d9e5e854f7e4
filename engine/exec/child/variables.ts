// The environment of a module task: what it declares by `env:`, as `ctx.env`, and a watch over what else its own code reads of
// `process.env`, since nobody would know of another value there. Only a bundle's own reads are of interest: what a package or Node
// asks for is not the task's doing, and who copies the whole environment hands it on.
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { isMachines } from '../../model/environment.ts';

/** Values by name; null where a declared variable is not set. */
export type Declared = Readonly<Record<string, string | null>>;

/** A name that is not declared is a mistake, as with inputs. */
export function declaredVariables(declared: Declared): Readonly<Record<string, string | undefined>> {
  const values = Object.fromEntries(Object.entries(declared).map(([name, value]) => [name, value ?? undefined]));
  return new Proxy(Object.freeze(values), {
    get(target, name) {
      if (typeof name === 'symbol' || name in target || ASKED_OF_ANY.has(name)) return Reflect.get(target, name);
      throw new Error(`the task reads ctx.env.${name}, which its \`env:\` in pipeline.yml does not declare`);
    },
  });
}

/** By JSON.stringify and await. */
const ASKED_OF_ANY = new Set(['toJSON', 'then']);

export interface VariableWatch {
  /** What the code in this file has read so far. */
  readBy(bundle: string): string[];
  /** What a thread saw. */
  add(bundle: string, names: readonly string[]): void;
}

/** So often a name's readers are looked at: a package may ask for one all day. */
const MOST_LOOKS = 16;

/** Once a process or thread: `process.env` stays replaced. */
export function watchVariables(): VariableWatch {
  const looks = new Map<PropertyKey, number>(
    Object.getOwnPropertyNames(Object.prototype).map((name) => [name, MOST_LOOKS]),
  );
  const names = new Map<string, Set<string>>();
  let copied: PropertyKey | null = null;
  const add = (file: string, name: string) => {
    const known = names.get(file) ?? new Set();
    names.set(file, known.add(name));
  };
  const look = (name: PropertyKey, trap: Called) => {
    const times = looks.get(name) ?? 0;
    if (times === MOST_LOOKS || typeof name === 'symbol') return;
    looks.set(name, times + 1);
    const file = callerOf(trap);
    if (file !== undefined) add(path.basename(file), String(name));
  };
  process.env = new Proxy(process.env, {
    get: function get(target, name) {
      // Who copies all asks for a property's attributes just before its value.
      if (name !== copied) look(name, get);
      copied = null;
      return Reflect.get(target, name) as string | undefined;
    },
    has: function has(target, name) {
      look(name, has);
      return Reflect.has(target, name);
    },
    set(target, name, value) {
      looks.set(name, MOST_LOOKS); // What it reads then is its own.
      // By its own name: the real object refuses what a proxy would define.
      target[name as string] = value;
      return true;
    },
    getOwnPropertyDescriptor(target, name) {
      copied = name;
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
  syncBuiltinESMExports();
  return {
    readBy: (bundle) => [...(names.get(path.basename(bundle)) ?? [])],
    add: (bundle, more) => more.forEach((name) => void add(path.basename(bundle), name)),
  };
}

/** One line for each name that is neither declared nor the machine's, for the user. */
export function undeclaredVariables(names: readonly string[], declared: Declared): string[] {
  return names
    .filter((name) => !(name in declared) && !isMachines(name))
    .map(
      (name) =>
        `it reads the environment variable ${name} without declaring it: another value would go unnoticed; add it to \`env:\` in pipeline.yml, and read ctx.env.${name}`,
    );
}

type Called = (...args: never[]) => unknown;

/** The file of the code that called a function. Asked of V8 as it is: by the source map it would take long. */
function callerOf(called: Called): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  Error.stackTraceLimit = 1;
  Error.prepareStackTrace = (_, sites) => sites;
  Error.captureStackTrace(holder, called);
  const file = holder.stack?.[0]?.getFileName();
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  return file ?? undefined;
}
