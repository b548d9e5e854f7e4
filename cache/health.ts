// Is the index whole? LMDB reads its file through memory, so a file that was cut short or overwritten ends the process by a
// signal rather than with an error. So before it is opened: the two heads are read, and the file must be as long as they
// say. If a process that had it open died (by a kill, or by that very signal), every value is read once by a process that
// may die of it. An index that fails is moved to damaged/, and the copy of the last good one takes its place; results
// recorded since then are made again, or are lost with it: nothing is taken for done that is not.
//
// Head of a page 0 or 1 (little endian): at 24 u32 magic, 28 u32 version, 48 u32 page size, 144 u64 last page, 152 u64
// transaction.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { identify, isAlive } from './process.ts';

export interface Health {
  /** What was found and done, for a person; null when the index was whole or is new. */
  readonly repaired: string | null;
  /** The index is closed in good order. */
  leave(): void;
}

const MAGIC = 0xbeefc0de;
const SUSPECT = 'suspect';
const WALK = `const { open } = require(process.argv[1]);
const root = open({ path: process.argv[2], maxDbs: 16, readOnly: true });
for (const name of process.argv[3].split(',')) {
  const [table, encoding] = name.split(':');
  let store; try { store = root.openDB({ name: table, encoding }); } catch { continue; }
  if (store) for (const { key, value } of store.getRange()) if (typeof key !== 'string' || value === undefined) process.exit(1);
}`;

/** To be called before LMDB opens `index`. `tables`: names with their encodings, `records:json`. */
export function enterIndex(index: string, tables: readonly string[]): Health {
  const markers = join(dirname(index), 'open');
  mkdirSync(markers, { recursive: true });
  const died = removeDead(markers);
  const fault = existsSync(index) ? (headFault(index) ?? (died ? walkFault(index, tables) : null)) : null;
  const repaired = fault === null ? null : setAside(index, fault);
  const { pid, started } = identify();
  const mine = join(markers, `${pid}~${encodeURIComponent(started)}~${Math.random().toString(36).slice(2)}`);
  writeFileSync(mine, '');
  return { repaired, leave: () => rmSync(mine, { force: true }) };
}

/** A value could not be read: the next to open the index looks at all of it. */
export function suspectIndex(index: string): void {
  try {
    writeFileSync(join(dirname(index), 'open', SUSPECT), '');
  } catch {
    // The error that led here is told anyway.
  }
}

export const copyOfIndex = (index: string) => index.replace(/\.mdb$/, '.copy.mdb');

function removeDead(markers: string): boolean {
  let died = false;
  for (const name of readdirSync(markers)) {
    const [pid, started] = name.split('~').map(decodeURIComponent);
    if (started !== undefined && isAlive({ pid: Number(pid), started })) continue;
    rmSync(join(markers, name), { force: true });
    died = true;
  }
  return died;
}

export function headFault(index: string): string | null {
  const file = openSync(index, 'r');
  try {
    const { size } = fstatSync(file);
    let newest: { transaction: bigint; lastPage: bigint; pageSize: number } | null = null;
    const head = Buffer.alloc(160);
    for (let page = 0, pageSize = 0; page < 2; page++) {
      if (readSync(file, head, 0, 160, page * pageSize) < 160 || head.readUInt32LE(24) !== MAGIC)
        return `it has ${size} bytes and no head`;
      pageSize = head.readUInt32LE(48) || 4096;
      const transaction = head.readBigUInt64LE(152);
      if (!newest || transaction > newest.transaction)
        newest = { transaction, lastPage: head.readBigUInt64LE(144), pageSize };
    }
    const wanted = (newest!.lastPage + 1n) * BigInt(newest!.pageSize);
    return BigInt(size) < wanted ? `it has ${size} bytes of ${wanted}` : null;
  } finally {
    closeSync(file);
  }
}

function walkFault(index: string, tables: readonly string[]): string | null {
  const lmdb = createRequire(import.meta.url).resolve('lmdb');
  const walked = spawnSync(process.execPath, ['-e', WALK, lmdb, index, tables.join(',')], { stdio: 'ignore' });
  return walked.status === 0 ? null : 'some of it cannot be read';
}

function setAside(index: string, fault: string): string {
  const folder = join(dirname(index), 'damaged');
  mkdirSync(folder, { recursive: true });
  const aside = join(folder, `${basename(index)}.${new Date().toISOString().replace(/[:.]/g, '-')}`);
  renameSync(index, aside);
  rmSync(`${index}-lock`, { force: true });
  const copy = copyOfIndex(index);
  const whole = existsSync(copy) && headFault(copy) === null;
  if (whole) {
    copyFileSync(copy, `${index}.new`);
    renameSync(`${index}.new`, index);
  }
  const now = whole
    ? 'the copy made after the last run that ended well took its place'
    : 'there was no copy of it, so an empty one took its place';
  return `the cache's index ${index} was damaged: ${fault}. It was moved to ${aside}; ${now}. What it no longer knows is made again.`;
}
