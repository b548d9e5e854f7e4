// Where Node looks for an npm package.
import { lstatSync } from 'node:fs';
import path from 'node:path';

/** Where Node finds a package: in the nearest node_modules, outwards. */
export function findPackage(from: string, name: string): string | null {
  for (const modules of nodeModules(from)) {
    const place = path.join(modules, name);
    if (lstatSync(place, { throwIfNoEntry: false })) return place;
  }
  return null;
}

/** Where Node looks for packages, there or not: the nearest first. */
export function* nodeModules(from: string): Generator<string> {
  for (let folder = from; ; folder = path.dirname(folder)) {
    yield path.join(folder, 'node_modules');
    if (folder === path.dirname(folder)) return;
  }
}

export function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
}
