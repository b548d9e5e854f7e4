// What is installed of the packages that a module imports, told cheaply: by the stats of all that says so. Equal stats: nothing was
// installed in between. Where they moved, the versions are read again and compared with those that went into the code digest.

import { statSync } from 'node:fs';
import path from 'node:path';
import { own } from '../../model/own.ts';
import type { Reason } from '../../model/reason.ts';
import { mapChanges, prefixed } from '../changes.ts';
import { packageVersions } from './packages.ts';
import { type Found, placesNow, usesOf } from './resolution.ts';

export interface Installed {
  readonly found: Found;
  /** Files (relative to the root) that say which versions are installed: manifests of packages, and lock files. */
  readonly versions: readonly string[];
}

/** A text for each of `versions`, then one for where the packages lie. */
export function installedStats(root: string, { found, versions }: Installed): string[] {
  const stats = versions.map((file) => {
    const stat = statSync(path.resolve(root, file), { throwIfNoEntry: false });
    return stat ? `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino} ${stat.dev}` : '';
  });
  return [...stats, JSON.stringify(placesNow(root, found))];
}

/** Packages whose own manifest was written between two looks; one that only a lock file moved for is as it was. */
export function reinstalled({ versions }: Installed, before: readonly string[], after: readonly string[]): string[] {
  return versions
    .filter((file, at) => path.basename(file) === 'package.json' && before[at] !== after[at])
    .map((file) => path.dirname(file));
}

/** How versions differ from those that a key was made of. */
export function versionChanges(root: string, { found }: Installed, before: Readonly<Record<string, string>>): Reason[] {
  const { packages } = packageVersions(root, usesOf(root, found));
  const now = Object.fromEntries(Object.keys(before).map((name) => [name, own(packages, name) ?? 'absent']));
  return mapChanges('code', prefixed('package ', before), prefixed('package ', now));
}
