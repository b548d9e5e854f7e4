// What this process has already looked at, by path: a trie over the path's parts, so that forgetting a path, all above
// and all beneath costs its depth, however many paths are remembered.
import type { Listing } from './listing.ts';
import type { Entry } from './types.ts';

const SEPARATOR = process.platform === 'win32' ? /[/\\]/ : '/';

export interface Folder {
  readonly entry: Entry;
  readonly listing: Listing;
}

/** What was found: a folder with its listing, a file, or nothing. */
export type Found = { readonly folder: Folder } | { readonly file: Entry } | 'missing';

export interface MemoNode {
  found: Found | null;
  parts: Map<string, MemoNode> | null;
}

export function newMemo(): MemoNode {
  return { found: null, parts: null };
}

/**
 * The remembered answer for a path, or the nearest remembered ancestor and the parts that are left beneath it.
 * Null when neither is known.
 */
export function recall(memo: MemoNode, path: string): { found: Found; rest: string[] } | null {
  const parts = split(path);
  let node: MemoNode | undefined = memo;
  let best: { found: Found; rest: string[] } | null = null;
  for (let at = 0; ; at++) {
    if (node.found) best = { found: node.found, rest: parts.slice(at) };
    if (at === parts.length) break;
    node = node.parts?.get(parts[at]!);
    if (!node) break;
  }
  return best;
}

export function remember(memo: MemoNode, path: string, found: Found): void {
  let node = memo;
  for (const part of split(path)) {
    node.parts ??= new Map();
    let next = node.parts.get(part);
    if (!next) {
      next = newMemo();
      node.parts.set(part, next);
    }
    node = next;
  }
  node.found = found;
}

export function drop(memo: MemoNode, path: string): void {
  let node: MemoNode | undefined = memo;
  for (const part of split(path)) {
    node.found = null;
    node = node.parts?.get(part);
    if (!node) return;
  }
  node.found = null;
  node.parts = null;
}

function split(path: string): string[] {
  return path.split(SEPARATOR).filter((part) => part !== '');
}
