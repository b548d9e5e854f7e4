// What this process has already looked at, by path: a trie over the path's parts, so that forgetting a path, all above
// and all beneath costs its depth, however many paths are remembered.
import type { Listing } from '../hash/listing.ts';
import type { Entry } from '../types.ts';

const SEPARATOR = process.platform === 'win32' ? /[/\\]/ : '/';

export interface Folder {
  readonly entry: Entry;
  readonly listing: Listing;
}

/** What was found: a folder with its listing, a file, or nothing. */
export type Found = { readonly folder: Folder } | { readonly file: Entry } | 'missing';

interface MemoNode {
  found: Found | null;
  parts: Map<string, MemoNode> | null;
}

export interface PathMemo {
  readonly root: MemoNode;
  /** The folder of the last file, where nothing is remembered of it or above: its other files mostly come next. */
  lastFolder: string;
  last: MemoNode | null;
}

export function newPathMemo(): PathMemo {
  return { root: { found: null, parts: null }, lastFolder: '', last: null };
}

/**
 * The remembered answer for a path, or the nearest remembered ancestor and the parts that are left beneath it.
 * Null when neither is known.
 */
export function recall(memo: PathMemo, path: string): { found: Found; rest: readonly string[] } | null {
  const name = nameInLast(memo, path);
  if (name !== null) {
    const found = memo.last!.parts?.get(name)?.found;
    return found ? { found, rest: [] } : null;
  }
  const parts = split(path);
  let node: MemoNode | undefined = memo.root;
  let best: { found: Found; rest: string[] } | null = null;
  for (let at = 0; ; at++) {
    if (node.found) best = { found: node.found, rest: parts.slice(at) };
    if (at === parts.length) break;
    node = node.parts?.get(parts[at]!);
    if (!node) break;
  }
  return best;
}

export function remember(memo: PathMemo, path: string, found: Found): void {
  const name = nameInLast(memo, path);
  if (name !== null && found !== 'missing' && 'file' in found) {
    child(memo.last!, name).found = found;
    return;
  }
  memo.last = null;
  let node = memo.root;
  let parent = node;
  let clear = true;
  for (const part of split(path)) {
    if (node.found) clear = false;
    parent = node;
    node = child(node, part);
  }
  node.found = found;
  if (found === 'missing') node.parts = null;
  else if ('folder' in found) keepFolders(node);
  else if (clear) {
    memo.last = parent;
    memo.lastFolder = path.slice(0, path.lastIndexOf('/') + 1);
  }
}

/** A folder's listing answers for its files from now on; what was remembered of them by themselves is older. */
function keepFolders(node: MemoNode): void {
  for (const [name, inner] of node.parts ?? []) {
    if (!inner.found || inner.found === 'missing' || 'file' in inner.found) node.parts!.delete(name);
  }
}

export function drop(memo: PathMemo, path: string): void {
  memo.last = null;
  let node: MemoNode | undefined = memo.root;
  for (const part of split(path)) {
    node.found = null;
    node = node.parts?.get(part);
    if (!node) return;
  }
  node.found = null;
  node.parts = null;
}

function child(node: MemoNode, part: string): MemoNode {
  node.parts ??= new Map();
  let next = node.parts.get(part);
  if (!next) {
    next = { found: null, parts: null };
    node.parts.set(part, next);
  }
  return next;
}

/** The last part of a path right beneath the last folder, else null. */
function nameInLast(memo: PathMemo, path: string): string | null {
  const { lastFolder } = memo;
  if (!memo.last || lastFolder === '' || !path.startsWith(lastFolder) || path.indexOf('/', lastFolder.length) >= 0)
    return null;
  const name = path.slice(lastFolder.length);
  // A folder or a missing path may have more beneath it, which the long way knows how to answer.
  const found = memo.last.parts?.get(name)?.found;
  return found && (found === 'missing' || 'folder' in found) ? null : name;
}

function split(path: string): string[] {
  return path.split(SEPARATOR).filter((part) => part !== '');
}
