// Is the index whole? LMDB reads its file through memory and trusts it, so a file that was cut short or overwritten ends the
// process by a signal rather than with an error. So before it is opened: the heads are read, and the file must be as long
// as they say. If a process that had it open died (by a kill, or by that very signal), all of it is looked through by a
// reader that trusts nothing (`lmdbFile.ts`), and what fails is replaced by what can be read of it and of its last copy
// (`repair.ts`). Nothing is taken for done that is not: what is lost is made again.
//
// open/ holds a marker for each process that has the index open. Who looks through it does so only when it has the index alone: it
// takes repair.lock and then reads the markers, the others write theirs and then look at the lock, so that at least one
// of two sees the other.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { livingOwner, tryLock } from '../host/lock.ts';
import { bootNumber, newMark, readMark } from '../host/process.ts';
import { faultOf, headFault } from './lmdbFile.ts';
import { rebuildIndex, removeUnfinishedCopies } from './repair.ts';

export interface OpenGuard {
  /** What was found and done, for a person; null when the index was whole or is new. */
  readonly repaired: string | null;
  /** Does the work while nobody else has the index open, nor can open it; false, and nothing, where somebody has. */
  withExclusiveAccess(work: () => void): boolean;
  /** The others that have the index open, or may have: for a person. */
  users(): string[];
  /** The index is closed in good order. */
  leave(): void;
}

/** Others hinder a repair: their end, or a person, helps. */
class IndexInUse extends Error {
  override readonly name = 'IndexInUse';
}

const SUSPECT = 'suspect';
const PAUSE_MS = 10;
/** LMDB makes the file and then writes its heads, and who enters beside us soon leaves: what is so for longer is told. */
const PATIENCE_MS = 5000;

/** What belongs to one index. */
interface IndexFiles {
  readonly index: string;
  readonly open: string;
  readonly lock: string;
}

/** To be called before LMDB opens `index`. Throws `IndexInUse` when it is damaged and others have it open. */
export function enterIndex(index: string): OpenGuard {
  const dir = dirname(index);
  const place: IndexFiles = { index, open: join(dir, 'open'), lock: join(dir, 'repair.lock') };
  mkdirSync(place.open, { recursive: true });
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const mine = join(place.open, newMark());
    writeFileSync(mine, '');
    const leave = () => rmSync(mine, { force: true });
    const repaired = enter(place, mine);
    if (repaired !== false) {
      const withExclusiveAccess = (work: () => void) => workExclusively(place, mine, work);
      return { repaired, withExclusiveAccess, users: () => usersOf(place.open, mine), leave };
    }
    leave();
    if (performance.now() > untilMs) tellHindrance(place);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS * (1 + Math.random()));
  }
}

/** False: not now. */
function enter(place: IndexFiles, mine: string): string | null | false {
  if (livingOwner(place.lock) !== null) return false;
  if (readMarkers(place.open, mine).dead.length === 0 && faultAtHead(place.index) === null) return null;
  const lock = tryLock(place.lock);
  if (!lock) return false;
  try {
    return repairAlone(place, mine);
  } finally {
    lock.release();
  }
}

function faultAtHead(index: string): string | null {
  return existsSync(index) ? headFault(index) : null;
}

/** A repair by a living process of this machine is waited for. */
function tellHindrance({ index, open, lock }: IndexFiles): void {
  const repairer = livingOwner(lock);
  if (repairer?.host === hostname()) return;
  if (repairer)
    throw new IndexInUse(
      `the cache's index ${index} is being looked through by ${processAt(repairer.pid, repairer.host, lock)}`,
    );
  const fault = faultAtHead(index);
  const users = usersOf(open);
  if (fault !== null && users.length > 0)
    throw new IndexInUse(
      `the cache's index ${index} is damaged: ${fault}\n  When what has it open has ended, run again: it will be repaired.\n  ${users.join('\n  ')}`,
    );
}

function usersOf(open: string, mine?: string): string[] {
  return readMarkers(open, mine).living.map((name) => {
    const { pid, host } = readMark(name)!;
    return processAt(pid, host, join(open, name));
  });
}

/** Of a process on another machine it cannot be told whether it lives; a container is one, and has a new name each time. */
function processAt(pid: number, host: string, file: string): string {
  return host === hostname() ? `process ${pid}` : `process ${pid} on ${host}: if it is gone, remove ${file}`;
}

/** A value could not be read: the next to open the index looks at all of it. */
export function suspectIndex(index: string): void {
  try {
    writeFileSync(join(dirname(index), 'open', SUSPECT), '');
  } catch {
    // The error that led here is told anyway.
  }
}

function repairAlone({ index, open }: IndexFiles, mine: string): string | null | false {
  const { dead, living } = readMarkers(open, mine);
  const fault = faultAtHead(index);
  // They work with it: what died left nothing that hinders them. The markers stay for who has it alone.
  if (living.length > 0) return fault === null ? null : false;
  const found = fault ?? inside(index, dead);
  const repaired = found === null ? null : rebuildIndex(index, found);
  if (dead.length > 0) removeUnfinishedCopies(index);
  for (const name of dead) rmSync(join(open, name), { force: true });
  return repaired;
}

function workExclusively({ open, lock: path }: IndexFiles, mine: string, work: () => void): boolean {
  const lock = tryLock(path);
  if (!lock) return false;
  try {
    if (readMarkers(open, mine).living.length > 0) return false;
    work();
    return true;
  } finally {
    lock.release();
  }
}

function inside(index: string, dead: readonly string[]): string | null {
  if (!existsSync(index) || dead.length === 0) return null;
  return faultOf(index, bootNumber()) ?? (dead.includes(SUSPECT) ? 'a value in it could not be read' : null);
}

function readMarkers(folder: string, mine = '') {
  const found = { dead: [] as string[], living: [] as string[] };
  for (const name of readdirSync(folder))
    if (name !== basename(mine)) (readMark(name)?.alive ? found.living : found.dead).push(name);
  return found;
}
