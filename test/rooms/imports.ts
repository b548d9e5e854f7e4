// Every import between our own files, type imports too, and what follows from them: circles, and arrows between folders.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');
const SOURCE = /\.ts$/;
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g;

const PACKAGE = /(?:\bfrom|\bimport)\s*\(?\s*['"]((?:@[\w.-]+\/)?\w[\w:-]*)[^'"]*['"]/g;

export interface Import {
  readonly file: string;
  readonly line: number;
  readonly target: string;
}

/** Of all files beneath a folder; paths are relative to the root, with forward slashes. */
export function importsOf(folder: string): Import[] {
  return filesOf(folder).flatMap((file) => {
    const text = readFileSync(path.join(root, file), 'utf8');
    return [...text.matchAll(IMPORT)].map((match) => ({
      file,
      line: text.slice(0, match.index).split('\n').length,
      target: path.posix.join(path.posix.dirname(file), match[1]!),
    }));
  });
}

/** The npm packages that the files beneath a folder import. */
export function packagesOf(folder: string): string[] {
  const names = filesOf(folder).flatMap((file) =>
    [...readFileSync(path.join(root, file), 'utf8').matchAll(PACKAGE)].map((match) => match[1]!),
  );
  return [...new Set(names)].filter((name) => !name.startsWith('node:')).sort();
}

/** TypeScript beneath a folder, relative to the root. */
export function filesOf(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => SOURCE.test(name))
    .map((name) => path.posix.join(folder, name.split(path.sep).join('/')));
}

/** Each as its members, in the order in which they lead to each other. */
export function circlesOf(arrows: Iterable<readonly [from: string, to: string]>): string[] {
  const next = new Map<string, Set<string>>();
  for (const [from, to] of arrows) if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to));
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (at: string, way: readonly string[]): void => {
    const start = way.indexOf(at);
    if (start >= 0) circles.push([...way.slice(start), at].join(' → '));
    if (start >= 0 || done.has(at)) return;
    for (const to of next.get(at) ?? []) visit(to, [...way, at]);
    done.add(at);
  };
  for (const from of next.keys()) visit(from, []);
  return circles;
}
