// The versions of npm packages that a task imports: a package counts with all that it depends on, as the lock file has it or,
// where there is none, or another version is installed, as it lies in node_modules. What said so is found.ts's to remember.
import { readFileSync, realpathSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { sha256 } from '../../../cache/index.ts';
import { findPackage, type PackageUse, packageName } from './bundle.ts';

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
  for (const { specifier, from } of uses) {
    if (isBuiltin(specifier)) continue;
    const name = packageName(specifier);
    const place = installed.find(from, name);
    const called = place === installed.find(root, name) ? name : `${name} of ${path.relative(root, from)}`;
    versions.set(called, versionOf(name, from, locked, installed));
  }
  const packages = Object.fromEntries([...versions].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { packages, asked: installed.asked() };
}

function versionOf(name: string, from: string, locked: Packages | null, installed: Packages): string {
  const there = installed.find(from, name);
  const written = locked?.find(from, name) ?? null;
  if (locked && written !== null) {
    const { version } = locked.manifest(written);
    // Not installed, as on a machine that only plans: the lock file says what it will be.
    if (there === null || installed.manifest(there).version === version) return withClosure(written, locked);
  }
  return there === null ? 'absent' : withClosure(there, installed);
}

function withClosure(start: string, packages: Packages): string {
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
  const version = packages.manifest(start).version ?? '';
  if (seen.size === 1) return version;
  const closure = [...seen].map((place) => `${packages.label(place)}@${packages.manifest(place).version}`).sort();
  return `${version}+${sha256(closure.join('\n')).slice(0, 12)}`;
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
