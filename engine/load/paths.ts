// Paths as pipeline.yml writes them, in one form: relative to the project's root with forward slashes, else absolute.
import { homedir } from 'node:os';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';

const NORMAL = /^(?!\/)(?!~\/)(?!.*\/\/)(?!(?:.*\/)?\.{1,2}(?:\/|$)).*[^/]$/;

/** An input's path: relative to `root` when inside it, else absolute. `~/` is the home folder. */
export function normalizeInput(root: string, path: string): string {
  if (NORMAL.test(path)) return path;
  const absolute = resolve(root, path.startsWith('~/') ? join(homedir(), path.slice(2)) : path);
  const inside = relative(root, absolute);
  if (inside === '') return '.';
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return absolute;
  return sep === '/' ? inside : inside.split(sep).join('/');
}

/** An output's path inside the root, or what is wrong with it. */
export function normalizeOutput(path: string): { path: string } | { trouble: string } {
  if (path.startsWith('/') || path.startsWith('~/') || /^[A-Za-z]:[\\/]/.test(path))
    return { trouble: 'must lie inside the project: it is absolute' };
  if (NORMAL.test(path)) return { path };
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return { trouble: 'must lie inside the project: it has ".." in it' };
  if (parts.length === 0) return { trouble: 'must name a file or folder of its own' };
  return { path: parts.join('/') };
}

/** A part of an output, without `.` and doubled slashes; undefined when `..` would leave it. */
export function normalizeSubpath(suffix: string): string | undefined {
  if (suffix === '') return suffix;
  const parts = suffix.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : parts.join('/');
}

/** The folders above a path, from the nearest outwards: `a/b/c` gives `a/b`, `a`. */
export function* foldersAbove(path: string): Generator<string> {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) yield path.slice(0, at);
}
