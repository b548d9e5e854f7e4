// What said which package an import means, and which version is installed: remembered with a code digest, since a link that
// is pointed elsewhere, a node_modules nearer by, or an upgrade deep in what is installed leaves all source files as they were.
import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import type { PackageUse } from './bundle.ts';
import { findPackage, nodeModules, packageName } from './nodeModules.ts';

/** Whatever installs packages writes one of them anew. */
const LOCK_FILES = ['package-lock.json', 'node_modules/.package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock'];

/** Folder that imports → package → where that really lies, or null; relative to the root. */
export type Found = Readonly<Record<string, Readonly<Record<string, string | null>>>>;

export function foundPackages(root: string, uses: readonly PackageUse[]): Found {
  const found: Record<string, Record<string, string | null>> = Object.create(null);
  for (const { specifier, from } of uses) {
    if (isBuiltin(specifier)) continue;
    const folder = path.relative(root, from);
    const name = packageName(specifier);
    found[folder] ??= Object.create(null) as Record<string, string | null>;
    found[folder][name] = whereIs(root, from, name);
  }
  return found;
}

/** Whether packages are still found there. `known`: what earlier calls saw. */
export function areFound(root: string, found: Found, known: Map<string, string | null>): boolean {
  return eachOf(found).every(([folder, name, place]) => {
    const use = `${folder}\0${name}`;
    const now = known.get(use) ?? whereIs(root, path.resolve(root, folder), name);
    known.set(use, now);
    return now === place;
  });
}

/** Where the same packages are found now. */
export function placesNow(root: string, found: Found): (string | null)[] {
  return eachOf(found).map(([folder, name]) => whereIs(root, path.resolve(root, folder), name));
}

/** The imports that were looked for. */
export function usesOf(root: string, found: Found): PackageUse[] {
  return eachOf(found).map(([folder, specifier]) => ({ specifier, from: path.resolve(root, folder) }));
}

/** Where a path really lies, relative to the root; null when nothing is there. */
export function realPlace(root: string, place: string): string | null {
  try {
    return path.relative(root, realpathSync.native(place));
  } catch {
    return null;
  }
}

/** The files (relative to the root) that say which versions are installed; `asked`: see `Versions`. */
export function versionFiles(root: string, uses: readonly PackageUse[], asked: readonly string[]): string[] {
  const folders = new Set([root]);
  for (const from of new Set(uses.map((use) => use.from)))
    for (const modules of nodeModules(from)) if (existsSync(modules)) folders.add(path.dirname(modules));
  const files = [...folders].flatMap((folder) => LOCK_FILES.map((file) => path.join(folder, file)));
  for (const { specifier, from } of uses) {
    if (isBuiltin(specifier)) continue;
    const name = packageName(specifier);
    files.push(path.join(findPackage(from, name) ?? path.join(root, 'node_modules', name), 'package.json'));
  }
  files.push(...asked.map((place) => path.join(place, 'package.json')));
  return [...new Set(files)].map((file) => path.relative(root, file));
}

/** Links among the packages that are found (absolute paths). */
export function linksTo(root: string, found: Found): string[] {
  const places = eachOf(found).map(([folder, name]) => findPackage(path.resolve(root, folder), name));
  return places.filter((place) => place !== null && lstatSync(place).isSymbolicLink()) as string[];
}

/** Whose stats (relative to the root) are others where packages would be found elsewhere; folders end in `/.`, as they alone count. */
export function foundBy(root: string, found: Found): string[] {
  const tried = new Set<string>();
  for (const [folder, name] of eachOf(found)) {
    for (const modules of nodeModules(path.resolve(root, folder))) {
      const place = path.join(modules, name);
      const isFolder = statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
      tried.add(path.relative(root, place) + (isFolder ? '/.' : ''));
      if (lstatSync(place, { throwIfNoEntry: false })) break;
    }
  }
  return [...tried];
}

function whereIs(root: string, from: string, name: string): string | null {
  const place = findPackage(from, name);
  return place === null ? null : realPlace(root, place);
}

function eachOf(found: Found): [folder: string, name: string, place: string | null][] {
  return Object.entries(found).flatMap(([folder, packages]) =>
    Object.entries(packages).map(([name, place]): [string, string, string | null] => [folder, name, place]),
  );
}
