// The versions of npm packages that a task imports, read from the lock file: a package counts with all that it depends on.
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { sha256 } from '../../cache/index.ts';

interface Locked {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Lock = Readonly<Record<string, Locked>>;

/**
 * Maps each imported package to `version` or `version+closure`, where closure is a digest over the names and versions of
 * everything it depends on. Without a lock file the installed version counts alone; a package that is not there is `absent`.
 */
export function packageVersions(root: string, imports: Iterable<string>): Record<string, string> {
  const lock = readLock(root);
  const versions: Record<string, string> = {};
  for (const name of [...new Set([...imports].filter((item) => !isBuiltin(item)).map(packageName))].sort()) {
    versions[name] = (lock && lockedVersion(lock, name)) ?? installedVersion(root, name) ?? 'absent';
  }
  return versions;
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
}

function readLock(root: string): Lock | null {
  try {
    return (
      (JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as { packages?: Lock }).packages ?? null
    );
  } catch {
    return null;
  }
}

function lockedVersion(lock: Lock, name: string): string | null {
  const start = resolve(lock, '', name);
  if (start === null) return null;
  const seen = new Set<string>();
  const walk = (place: string) => {
    if (seen.has(place)) return;
    seen.add(place);
    const { dependencies, optionalDependencies } = lock[place]!;
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = resolve(lock, place, dependency);
      if (found !== null) walk(found);
    }
  };
  walk(start);
  const version = lock[start]!.version ?? '';
  if (seen.size === 1) return version;
  const closure = [...seen].map((place) => `${place}@${lock[place]!.version}`).sort();
  return `${version}+${sha256(closure.join('\n')).slice(0, 12)}`;
}

/** Node's resolution on the lock file's paths: nearest node_modules, outwards. */
function resolve(lock: Lock, from: string, name: string): string | null {
  for (
    let place = from;
    ;
    place = place.includes('node_modules/') ? place.slice(0, place.lastIndexOf('node_modules/')).replace(/\/$/, '') : ''
  ) {
    const candidate = place === '' ? `node_modules/${name}` : `${place}/node_modules/${name}`;
    if (lock[candidate]) return candidate;
    if (place === '') return null;
  }
}

function installedVersion(root: string, name: string): string | null {
  try {
    return (
      JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }
    ).version;
  } catch {
    return null;
  }
}
