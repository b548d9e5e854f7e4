// What is in a folder's tree, read by its digest from a store alone: the flat list of its files, and what changed
// between two folders. Chunks that two folders share are never read.
import { decodeChunk, decodeFolder, type TreeLine } from '../hash/merkle.ts';
import type { Digest } from '../types.ts';
import type { ContentStore } from './contentStore.ts';

type Trees = Pick<ContentStore, 'tree'>;

export interface FileLine {
  /** Relative to the folder, forward slashes. */
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface Change {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Null where there was, or is, no such file. */
  readonly before: Digest | null;
  readonly after: Digest | null;
  /** After or, of what was removed, before. */
  readonly sizeBytes: number;
}

export interface Difference {
  /** Number of files (and empty folders) that differ. */
  readonly total: number;
  readonly changes: Change[];
}

/** Lines of one folder, sorted; null when a node of the tree is not in the store. */
export function linesOf(store: Trees, folder: Digest): TreeLine[] | null {
  const head = store.tree(folder);
  return head && readChunks(store, decodeFolder(head).chunks);
}

function readChunks(store: Trees, digests: Iterable<Digest>): TreeLine[] | null {
  const lines: TreeLine[] = [];
  for (const digest of digests) {
    const chunk = store.tree(digest);
    if (!chunk) return null;
    for (const line of decodeChunk(chunk)) lines.push(line);
  }
  return lines;
}

/** Every file beneath, sorted by code unit of the path; null when a part of the tree is not in the store. */
export function filesOf(store: Trees, folder: Digest): FileLine[] | null {
  const files: FileLine[] = [];
  const gather = (digest: Digest, prefix: string): boolean => {
    const lines = linesOf(store, digest);
    if (!lines) return false;
    return lines.every((line) => {
      const path = prefix + line.name;
      if (line.folder) return gather(line.digest, `${path}/`);
      files.push({ path, digest: line.digest, sizeBytes: line.sizeBytes });
      return true;
    });
  };
  if (!gather(folder, '')) return null;
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Null when one of the folders is not in the store. At most `limit` changes are listed, all are counted. */
export function difference(store: Trees, before: Digest, after: Digest, limit: number): Difference | null {
  const found: Difference & { total: number } = { total: 0, changes: [] };
  const complete = compare(store, before, after, '', limit, found);
  return complete ? found : null;
}

type Tally = { total: number; readonly changes: Change[] };

function compare(store: Trees, before: Digest, after: Digest, prefix: string, limit: number, tally: Tally): boolean {
  if (before === after) return true;
  const heads = [store.tree(before), store.tree(after)];
  if (!heads[0] || !heads[1]) return false;
  const chunks = [new Set(decodeFolder(heads[0]).chunks), new Set(decodeFolder(heads[1]).chunks)] as const;
  const old = readChunks(
    store,
    [...chunks[0]].filter((digest) => !chunks[1].has(digest)),
  );
  const now = readChunks(
    store,
    [...chunks[1]].filter((digest) => !chunks[0].has(digest)),
  );
  if (!old || !now) return false;
  let from = 0;
  for (let to = 0; from < old.length || to < now.length; ) {
    const a = old[from];
    const b = now[to];
    if (a && b && a.name === b.name) {
      if (!compareLines(store, a, b, prefix, limit, tally)) return false;
      from++;
      to++;
    } else if (a && (!b || a.name < b.name)) {
      if (!report(store, { before: a }, prefix, limit, tally)) return false;
      from++;
    } else {
      if (!report(store, { after: b! }, prefix, limit, tally)) return false;
      to++;
    }
  }
  return true;
}

function compareLines(store: Trees, a: TreeLine, b: TreeLine, prefix: string, limit: number, tally: Tally): boolean {
  if (a.digest === b.digest && a.folder === b.folder) return true;
  if (a.folder && b.folder) return compare(store, a.digest, b.digest, `${prefix}${a.name}/`, limit, tally);
  if (!a.folder && !b.folder) return report(store, { before: a, after: b }, prefix, limit, tally);
  return report(store, { before: a }, prefix, limit, tally) && report(store, { after: b }, prefix, limit, tally);
}

interface Sides {
  readonly before?: TreeLine;
  readonly after?: TreeLine;
}

function report(store: Trees, { before, after }: Sides, prefix: string, limit: number, tally: Tally): boolean {
  const line = (after ?? before)!;
  const empty = line.folder && line.files === 0; // Told by its own name, since no file tells of it.
  const path = prefix + line.name + (empty ? '/' : '');
  if (!line.folder || empty) {
    const change = !before ? 'added' : !after ? 'removed' : 'changed';
    tally.total++;
    if (tally.changes.length < limit) {
      tally.changes.push({
        path,
        change,
        before: before?.digest ?? null,
        after: after?.digest ?? null,
        sizeBytes: line.sizeBytes,
      });
    }
    return true;
  }
  if (tally.changes.length >= limit) {
    tally.total += line.files; // Counted without being read.
    return true;
  }
  const lines = linesOf(store, line.digest);
  const sides = (inner: TreeLine): Sides => (after ? { after: inner } : { before: inner });
  return lines?.every((inner) => report(store, sides(inner), `${path}/`, limit, tally)) ?? false;
}
