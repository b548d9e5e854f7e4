// The versions of npm packages that a task imports: a package counts with all that it depends on, as the lock file has it or,
// where there is none, or another version is installed, as it lies in node_modules. What said so is found.ts's to remember.
import { readFileSync, realpathSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { sha256 } from '../../../cache/index.ts';
import type { PackageUse } from './bundle.ts';
import { findPackage, packageName } from './nodeModules.ts';

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
/** In a lock file, a package that is a link says where it leads. */
type Lock = Readonly<Record<string, Manifest & { readonly link?: boolean; readonly resolved?: string }>>;

/** Packages by place, wherever that is written. */
interface Packages {
  find(from: string, name: string): string | null;
  manifest(place: string): Manifest;
  /** In the digest of what a package depends on. */
  label(place: string): string;
}

export interface Versions {
  readonly packages: Readonly<Record<string, string>>;
  /** Folders (absolute) of the installed packages whose package.json was read for that. */
  readonly asked: readonly string[];
  /** For the user: what is installed in another version than the lock file says. */
  readonly warnings: readonly string[];
}

/**
 * Maps each imported package to `version` or `version+closure`, where closure is a digest over the names and versions of
 * everything it depends on; a package that is not there is `absent`. One that is found elsewhere than from the root is
 * called by the folder that imports it, too.
 */
export function packageVersions(root: string, uses: Iterable<PackageUse>): Versions {
  const locked = lockedPackages(root);
  const installed = installedPackages(root);
  const versions = new Map<string, string>();
  const strays = new Set<string>();
  for (const { specifier, from } of uses) {
    if (isBuiltin(specifier)) continue;
    const name = packageName(specifier);
    const there = installed.find(from, name);
    const called = there === installed.find(root, name) ? name : `${name} of ${path.relative(root, from)}`;
    const written = locked?.find(from, name) ?? null;
    const others =
      locked && written !== null && there !== null ? straysOf(root, written, there, locked, installed) : [];
    for (const other of others) strays.add(other);
    // Not installed, as on a machine that only plans: the lock file says what it will be.
    if (locked && written !== null && others.length === 0) versions.set(called, withClosure(written, locked));
    else versions.set(called, there === null ? 'absent' : withClosure(there, installed));
  }
  const packages = Object.fromEntries([...versions].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { packages, asked: installed.asked(), warnings: [...strays] };
}

/** A line for each that is installed in another version than is written, of a package and all that it depends on. */
function straysOf(root: string, written: string, there: string, locked: Packages, installed: Packages): string[] {
  // What it depends on is not asked of `installed`, which is remembered: whoever installs that writes a lock file.
  const installedAt = (place: string) =>
    place === written ? installed.manifest(there) : readJson<Manifest>(path.join(root, place, 'package.json'));
  return [...closureOf(written, locked)].flatMap((place) => {
    const wanted = locked.manifest(place).version;
    // An optional one need not be there; one that is a link is the project's own.
    const found = place.includes('node_modules/') ? installedAt(place)?.version : wanted;
    if (wanted === undefined || found === undefined || found === wanted) return [];
    return `${place} is ${found}, but ${wanted} in package-lock.json: it counts as it is; \`npm ci\` installs what is written`;
  });
}

function withClosure(start: string, packages: Packages): string {
  const seen = closureOf(start, packages);
  const version = packages.manifest(start).version ?? '';
  if (seen.size === 1) return version;
  const closure = [...seen].map((place) => `${packages.label(place)}@${packages.manifest(place).version}`).sort();
  return `${version}+${sha256(closure.join('\n')).slice(0, 12)}`;
}

/** The places of a package and of all that it depends on. */
function closureOf(start: string, packages: Packages): Set<string> {
  const seen = new Set<string>();
  const walk = (place: string) => {
    if (seen.has(place)) return;
    seen.add(place);
    const { dependencies, optionalDependencies } = packages.manifest(place);
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = packages.find(place, dependency);
      if (found !== null) walk(found);
    }
  };
  walk(start);
  return seen;
}

/** By the paths of package-lock.json, which are relative to the root. */
function lockedPackages(root: string): Packages | null {
  const lock = readJson<{ packages?: Lock }>(path.join(root, 'package-lock.json'))?.packages;
  if (!lock) return null;
  const manifest = (place: string) => lock[place] ?? {};
  return {
    find(from, name) {
      const start = path.isAbsolute(from) ? path.relative(root, from) : from;
      for (let folder = start.startsWith('..') ? '' : start; ; folder = path.dirname(folder).replace(/^\.$/, '')) {
        const found = lock[path.posix.join(folder, 'node_modules', name)];
        if (found) return found.link ? (found.resolved ?? '') : path.posix.join(folder, 'node_modules', name);
        if (folder === '') return null;
      }
    },
    manifest,
    label: (place) => place,
  };
}

function installedPackages(root: string): Packages & { asked(): string[] } {
  const manifests = new Map<string, Manifest>();
  const manifest = (place: string) => {
    const known = manifests.get(place) ?? readJson<Manifest>(path.join(place, 'package.json')) ?? {};
    manifests.set(place, known);
    return known;
  };
  return {
    find(from, name) {
      const place = findPackage(path.resolve(root, from), name);
      // pnpm's packages find theirs from where they really lie.
      return place === null ? null : realpathSync(place);
    },
    manifest,
    asked: () => [...manifests.keys()],
    label: (place) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length),
  };
}

function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return null;
  }
}
