// The index's file read without LMDB, which trusts every byte of it and ends the process at a wrong one. Here nothing is
// trusted: a page is looked at only within its bounds, and once. `faultOf` says whether LMDB may open the file and write to
// it: every page that is in use or on the list of free ones is well-formed, within the file and has one owner. `entriesOf`
// gives all that can still be read of a file that fails, passing over what cannot.
//
// The layout, of lmdb 3 (little endian). Page: u64 number, u64 transaction, u16 pad, u16 flags, u16 lower, u16 upper (of
// an overflow: u32 pages), then u16 offsets of its nodes. Node: u16 low, u16 high, u16 flags, u16 key size, key, data; low and high
// are the data's size or, with the flags above them, the child's page. Head, in page 0, in its middle, and in page 1: at 24 u32
// magic, 28 u32 version, 48 the trees of free pages and of names, 144 u64 last page, 152 u64 transaction, 160 u64 boot.
// Tree: u32 pad (of the first: the page size), u16 flags, u16 depth, 4 × u64 counts, u64 root. Free pages: u64 count, then numbers;
// a negative one says how many pages the next stands for, a zero nothing.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const MAGIC = 0xbeefc0de;
const VERSION = 2;
const META = 8;
const HEAD = 24;
const HEAD_BYTES = 168;
const USUAL_PAGE = 4096;
const NODE = 8;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const BIG = 1;
const TREE = 2;
const NO_ROOT = 0xffffffffffffffffn;
/** In a head: written, and perhaps not yet on the disk when the machine stopped. */
const UNSYNCED = 0x1000;
const FREE_TREE = 48;
const NAMES_TREE = 96;
const MAX_DEPTH = 32;
/** LMDB writes no longer one, and none that is empty. */
const MOST_KEY = 1978;
/** Of the tree of free pages: keys are integers, and the file is no folder. */
const FREE_FLAGS = 0x4008;
const MOST_MAPPED = 2 ** 46;

interface Head {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: bigint;
  readonly boot: bigint;
  readonly synced: boolean;
  readonly free: Tree;
  readonly names: Tree;
}

interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly entries: number;
  /** Null: it is empty. */
  readonly root: number | null;
}

interface File {
  readonly fd: number;
  readonly head: Head;
  /** Pages that have an owner. */
  readonly owned: Uint8Array;
  /** What is wrong: thrown by who checks, passed over by who saves what there is. */
  wrong(what: string): void;
}

export interface IndexEntry {
  readonly table: string;
  readonly key: Buffer;
  readonly value: Buffer;
}

class Fault extends Error {}

/** Null where the heads are in order and the file is as long as they say: all that can be told in no time. */
export function headFault(path: string): string | null {
  return withFile(path, (fd) => {
    const { size } = fstatSync(fd);
    const [first, second] = readHeads(fd);
    if (!first || !second) return `it has ${size} bytes and ${first || second ? 'one head' : 'no head'}`;
    const { lastPage, pageSize } = newest(first, second);
    const wanted = (lastPage + 1) * pageSize;
    return size < wanted ? `it has ${size} bytes of ${wanted}` : null;
  });
}

/** Null where LMDB may use the file. `boot`: the number of this boot, as in host/process.ts. */
export function faultOf(path: string, boot: number): string | null {
  const wrong = (what: string) => {
    throw new Fault(what);
  };
  try {
    withIndex(path, boot, wrong, (file) => {
      for (const { key, value } of nodesOf(file, file.head.free, 'free pages')) ownFree(file, key, value);
      for (const _ of tableEntries(file));
    });
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

/** Every entry that can be read. `take` must copy what it keeps. Returns the number of places that could not be read. */
export function entriesOf(path: string, boot: number, take: (entry: IndexEntry) => void): number {
  let lost = 0;
  withIndex(
    path,
    boot,
    () => lost++,
    (file) => {
      for (const entry of tableEntries(file)) take(entry);
    },
  );
  return lost;
}

/** How many entries a table has, by the head of a file that is whole; 0 where there is none. */
export function countOf(path: string, boot: number, table: string): number {
  let count = 0;
  withIndex(
    path,
    boot,
    () => {},
    (file) => {
      for (const { key, value, flags } of nodesOf(file, file.head.names, 'names'))
        if (flags & TREE && nameOf(key) === table) count = treeAt(value, 0).entries;
    },
  );
  return count;
}

function withFile<T>(path: string, work: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

function withIndex(path: string, boot: number, wrong: File['wrong'], work: (file: File) => void): void {
  withFile(path, (fd) => {
    const head = inForce(readHeads(fd), boot);
    if (!head) return wrong('it has no head');
    const pages = Math.floor(fstatSync(fd).size / head.pageSize);
    if (pages <= head.lastPage) wrong(`it has ${pages} pages of ${head.lastPage + 1}`);
    const owned = new Uint8Array(Math.min(pages, head.lastPage + 1));
    owned.fill(1, 0, 2);
    work({ fd, head, owned, wrong });
  });
}

type Heads = readonly [Head | null, Head | null, Head | null];

/** The two heads, and the one of what was synced last; null for what is none. */
function readHeads(fd: number): Heads {
  const first = readHead(fd, 0, 0);
  const pageSize = first?.pageSize ?? USUAL_PAGE;
  const synced = readHead(fd, pageSize / 2, null);
  return [first, readHead(fd, pageSize, 1), synced && synced.transaction > 0n ? synced : null];
}

/** `number`: of its page; null for the head in the middle of one, which has no page of its own, nor a version. */
function readHead(fd: number, at: number, number: 0 | 1 | null): Head | null {
  const bytes = Buffer.alloc(HEAD_BYTES);
  if (readSync(fd, bytes, 0, HEAD_BYTES, at) < HEAD_BYTES) return null;
  if (number !== null) {
    if (bytes.readBigUInt64LE(0) !== BigInt(number) || bytes.readUInt16LE(18) !== META) return null;
    if (bytes.readUInt32LE(24) !== MAGIC || bytes.readUInt32LE(28) !== VERSION) return null;
    // An address that memory should be mapped to: LMDB would.
    if (bytes.readBigUInt64LE(32) !== 0n) return null;
  }
  const pageSize = bytes.readUInt32LE(FREE_TREE);
  const isPower = (pageSize & (pageSize - 1)) === 0;
  if (pageSize < 512 || pageSize > 65_536 || !isPower) return null;
  const lastPage = Number(bytes.readBigUInt64LE(144));
  const mapBytes = Number(bytes.readBigUInt64LE(40));
  if (mapBytes < lastPage * pageSize || mapBytes > MOST_MAPPED) return null;
  const [free, names] = [treeAt(bytes, FREE_TREE), treeAt(bytes, NAMES_TREE)];
  if ((free.flags & ~UNSYNCED) !== FREE_FLAGS || names.flags !== 0) return null;
  return {
    pageSize,
    lastPage,
    transaction: bytes.readBigUInt64LE(152),
    boot: bytes.readBigUInt64LE(160),
    synced: (free.flags & UNSYNCED) === 0,
    free,
    names,
  };
}

function treeAt(bytes: Buffer, at: number): Tree {
  const root = bytes.readBigUInt64LE(at + 40);
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    entries: Number(bytes.readBigUInt64LE(at + 32)),
    root: root === NO_ROOT ? null : Number(root),
  };
}

const newest = (a: Head, b: Head) => (b.transaction > a.transaction ? b : a);

/**
 * As LMDB chooses: the newest, but for one that may not have reached the disk before the machine was started again. Where one
 * is none, what the other leads to.
 */
function inForce([a, b, synced]: Heads, boot: number): Head | null {
  const choose = (one: Head | null, other: Head | null): Head | null => {
    if (!one || !other) return one ?? other;
    const late = newest(one, other);
    return late.boot === BigInt(boot) || late.synced ? late : late === one ? other : one;
  };
  return choose(choose(a, b), synced);
}

function* tableEntries(file: File): Generator<IndexEntry> {
  for (const { key, value, flags } of nodesOf(file, file.head.names, 'names')) {
    const table = nameOf(key);
    if (!(flags & TREE) || value.length !== 48) {
      file.wrong(`"${printable(table)}" is no table`);
      continue;
    }
    const tree = treeAt(value, 0);
    if (tree.flags !== 0) file.wrong(`table ${printable(table)} has the flags ${tree.flags}`);
    for (const node of nodesOf(file, tree, table)) {
      if (node.flags & TREE) file.wrong(`table ${table} holds another`);
      else yield { table, key: node.key, value: node.value };
    }
  }
}

interface Node {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly flags: number;
}

function* nodesOf(file: File, { root, depth }: Tree, name: string): Generator<Node> {
  if (root === null) return;
  if (depth < 1 || depth > MAX_DEPTH) file.wrong(`${name} is ${depth} pages deep`);
  else yield* nodesBeneath(file, root, depth, name);
}

function* nodesBeneath(file: File, number: number, levels: number, name: string): Generator<Node> {
  const page = ownPage(file, number, levels === 1 ? LEAF : BRANCH, name);
  if (!page) return;
  for (const at of placesOf(file, page, number)) {
    if (levels > 1) {
      const child = page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
      yield* nodesBeneath(file, child, levels - 1, name);
    } else {
      const node = leafNode(file, page, at, number);
      if (node) yield node;
    }
  }
}

function ownPage(file: File, number: number, kind: number, name: string): Buffer | null {
  if (!own(file, number, 1, name)) return null;
  const { pageSize } = file.head;
  const page = Buffer.allocUnsafe(pageSize);
  if (readSync(file.fd, page, 0, pageSize, number * pageSize) < pageSize)
    return refuse(file, `page ${number} is cut off`);
  if (!isPage(file, page, number, kind)) return refuse(file, `page ${number} is not one of ${printable(name)}`);
  return page;
}

/** LMDB takes a page of a later transaction than the last for one of its own in memory, and writes to it. */
function isPage({ head }: File, page: Buffer, number: number, kind: number): boolean {
  return (
    Number(page.readBigUInt64LE(0)) === number &&
    page.readBigUInt64LE(8) <= head.transaction &&
    page.readUInt16LE(18) === kind
  );
}

/** False, and wrong, for a page beyond the file or one that has an owner. */
function own({ owned, wrong }: File, number: number, count: number, name: string): boolean {
  if (!(number >= 2 && count >= 1 && number + count <= owned.length)) {
    wrong(`${printable(name)} leads to page ${number}, of ${owned.length}`);
    return false;
  }
  if (owned.subarray(number, number + count).includes(1)) {
    wrong(`page ${number} is in use twice`);
    return false;
  }
  owned.fill(1, number, number + count);
  return true;
}

function refuse(file: File, what: string): null {
  file.wrong(what);
  return null;
}

function placesOf(file: File, page: Buffer, number: number): number[] {
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  if (lower % 2 !== 0 || lower === 0 || lower > upper || upper > page.length - HEAD) {
    file.wrong(`page ${number} has its bounds at ${lower} and ${upper}`);
    return [];
  }
  const places: number[] = [];
  for (let slot = HEAD; slot < HEAD + lower; slot += 2) {
    const at = HEAD + page.readUInt16LE(slot);
    const fits = at >= HEAD + upper && at + NODE <= page.length && at + NODE + page.readUInt16LE(at + 6) <= page.length;
    if (fits) places.push(at);
    else file.wrong(`page ${number} has a node at ${at}`);
  }
  return places;
}

function leafNode(file: File, page: Buffer, at: number, number: number): Node | null {
  const size = page.readUInt32LE(at);
  const flags = page.readUInt16LE(at + 4);
  const start = at + NODE + page.readUInt16LE(at + 6);
  const key = page.subarray(at + NODE, start);
  const end = start + (flags & BIG ? 24 : size);
  if (flags > BIG + TREE || end > page.length) return refuse(file, `page ${number} has a value beyond its end`);
  if (key.length < 1 || key.length > MOST_KEY) return refuse(file, `page ${number} has a key of ${key.length} bytes`);
  if (!(flags & BIG)) return { key, value: page.subarray(start, end), flags };
  const value = bigValue(file, Number(page.readBigUInt64LE(start)), Number(page.readBigUInt64LE(start + 16)), size);
  return value && { key, value, flags };
}

function bigValue(file: File, number: number, count: number, size: number): Buffer | null {
  const { pageSize } = file.head;
  if (count !== Math.floor((HEAD - 1 + size) / pageSize) + 1)
    return refuse(file, `a value of ${size} bytes has ${count} pages`);
  if (!own(file, number, count, 'a value')) return null;
  const bytes = Buffer.allocUnsafe(HEAD + size);
  if (readSync(file.fd, bytes, 0, bytes.length, number * pageSize) < bytes.length)
    return refuse(file, `page ${number} is cut off`);
  return isPage(file, bytes, number, OVERFLOW) && bytes.readUInt32LE(20) === count
    ? bytes.subarray(HEAD)
    : refuse(file, `page ${number} is not one of a value`);
}

function ownFree(file: File, key: Buffer, list: Buffer): void {
  const count = list.length >= 8 ? Number(list.readBigInt64LE(0)) : -1;
  if (key.length !== 8 || count < 0 || (count + 1) * 8 > list.length)
    return file.wrong('a list of free pages is cut off');
  let pages = 1;
  for (let at = 8; at <= count * 8; at += 8) {
    const entry = Number(list.readBigInt64LE(at));
    if (entry < 0) pages = -entry;
    if (entry <= 0) continue;
    own(file, entry, pages, 'a list of free pages');
    pages = 1;
  }
  if (pages !== 1) file.wrong('a list of free pages ends in a number of pages');
}

/** LMDB ends them with a zero byte. */
const nameOf = (key: Buffer) => key.toString().replace(/\0$/, '');
const printable = (text: string) => JSON.stringify(text.slice(0, 40)).slice(1, -1);
