// Is the index whole? LMDB reads its file through memory and trusts it, so a file that was cut short or overwritten ends the
// process by a signal rather than with an error. So before it is opened: the heads are read, and the file must be as long
// as they say. If a process that had it open died (by a kill, or by that very signal), all of it is looked through by a
// reader that trusts nothing (`pages.ts`), and what fails is replaced by what can be read of it and of its last copy
// (`repair.ts`). Nothing is taken for done that is not: what is lost is made again.
//
// open/ holds a marker for each process that has the index open, and `repairing` while one looks through it. That one does so
// only when it has the index alone: it writes `repairing` and then reads the markers, the others write theirs and then look
// for `repairing`, so that at least one of two sees the other.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { faultOf, headFault } from './pages.ts';
import { bootNumber, identify, isAlive } from './process.ts';
import { rebuildIndex } from './repair.ts';

export interface Health {
  /** What was found and done, for a person; null when the index was whole or is new. */
  readonly repaired: string | null;
  /** Does the work while nobody else has the index open, nor can open it; false, and nothing, where somebody has. */
  alone(work: () => void): boolean;
  /** The index is closed in good order. */
  leave(): void;
}

const SUSPECT = 'suspect';
const REPAIRING = 'repairing';
const PAUSE_MS = 10;
/** LMDB makes the file and then writes its heads: what is empty for longer is damaged. */
const MAKING_MS = 5000;

/** To be called before LMDB opens `index`. Throws when it is damaged and others have it open. */
export function enterIndex(index: string): Health {
  const folder = join(dirname(index), 'open');
  mkdirSync(folder, { recursive: true });
  const begunMs = performance.now();
  for (;;) {
    const mine = join(folder, nameOfMarker());
    writeFileSync(mine, '');
    const leave = () => rmSync(mine, { force: true });
    const alone = (work: () => void) => workAlone(folder, mine, work);
    const others = readMarkers(folder, mine);
    const fault = existsSync(index) ? headFault(index) : null;
    if (!others.isRepairing && others.dead.length === 0 && fault === null) return { repaired: null, alone, leave };
    const isBeingMade = isEmpty(index) && others.living.length > 0 && performance.now() - begunMs < MAKING_MS;
    const repaired = !isBeingMade && takeRepair(folder) && repairAlone(index, folder, mine);
    if (repaired !== false) return { repaired, alone, leave };
    leave();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}

function isEmpty(index: string): boolean {
  return statSync(index, { throwIfNoEntry: false })?.size === 0;
}

/** A value could not be read: the next to open the index looks at all of it. */
export function suspectIndex(index: string): void {
  try {
    writeFileSync(join(dirname(index), 'open', SUSPECT), '');
  } catch {
    // The error that led here is told anyway.
  }
}

function repairAlone(index: string, folder: string, mine: string): string | null {
  try {
    const { dead, living } = readMarkers(folder, mine);
    const fault = existsSync(index) ? headFault(index) : null;
    if (living.length > 0) {
      // They work with it: what died left nothing that hinders them. The markers stay for who has it alone.
      if (fault === null) return null;
      throw new Error(
        `the cache's index ${index} is damaged: ${fault}. Wait for what else uses it to end (${living.join(', ')}), then run again: it will be repaired.`,
      );
    }
    const found = fault ?? inside(index, dead);
    const repaired = found === null ? null : rebuildIndex(index, found);
    for (const name of dead) rmSync(join(folder, name), { force: true });
    return repaired;
  } finally {
    rmSync(join(folder, REPAIRING), { force: true });
  }
}

function workAlone(folder: string, mine: string, work: () => void): boolean {
  if (!takeRepair(folder)) return false;
  try {
    if (readMarkers(folder, mine).living.length > 0) return false;
    work();
    return true;
  } finally {
    rmSync(join(folder, REPAIRING), { force: true });
  }
}

function inside(index: string, dead: readonly string[]): string | null {
  if (!existsSync(index) || dead.length === 0) return null;
  return faultOf(index, bootNumber()) ?? (dead.includes(SUSPECT) ? 'a value in it could not be read' : null);
}

function takeRepair(folder: string): boolean {
  const file = join(folder, REPAIRING);
  try {
    writeFileSync(file, nameOfMarker(), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  try {
    if (!isLiving(readFileSync(file, 'utf8'))) rmSync(file, { force: true });
  } catch {
    // It ended this instant.
  }
  return false;
}

function readMarkers(folder: string, mine: string) {
  const found = { isRepairing: false, dead: [] as string[], living: [] as string[] };
  for (const name of readdirSync(folder)) {
    if (name === REPAIRING) found.isRepairing = true;
    else if (name !== basename(mine)) (name !== SUSPECT && isLiving(name) ? found.living : found.dead).push(name);
  }
  return found;
}

function nameOfMarker(): string {
  const { pid, started } = identify();
  const random = Math.random().toString(36).slice(2);
  return [encodeURIComponent(hostname()), pid, encodeURIComponent(started), random].join('~');
}

/** Of a process on another machine it cannot be told whether it lives: it is taken to. */
function isLiving(name: string): boolean {
  const [host, pid, started, random] = name.split('~').map(decodeURIComponent);
  return random !== undefined && (host !== hostname() || isAlive({ pid: Number(pid), started: started! }));
}
