// A lock between processes, held by a living owner. The lock is a folder of generations, files named 1, 2, 3, …; the
// highest is the lock's state: its owner's name, or `released`. To take the lock is to create the next generation,
// exclusively (a hard link of a finished file, so that nobody reads half of one), when the highest is released or its
// owner dead. Two takers race for one name, so one wins; no file that could be the highest is ever removed, so a
// process that slept between reading and creating finds a higher one than its own, and withdraws.
// Owners on other machines cannot be asked whether they live: theirs is waited for. Not for file systems without links.
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { identify, isAlive } from './process.ts';

export interface LockOwner {
  readonly pid: number;
  readonly started: string;
  readonly host: string;
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
}

export interface Lock {
  release(): void;
}

export interface LockOptions {
  /** Told once for every owner that is waited for. */
  onWait(owner: LockOwner): void;
  readonly signal?: AbortSignal;
}

type State = { readonly generation: number; readonly owner: LockOwner | null };

const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 200;

/** Waits until the lock is ours. Rejects with the signal's reason. `path` becomes a folder of a file or two. */
export async function acquireLock(path: string, options: LockOptions): Promise<Lock> {
  mkdirSync(path, { recursive: true });
  let told = '';
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    options.signal?.throwIfAborted();
    const { generation, owner } = stateOf(path);
    if (!owner || isDead(owner)) {
      const lock = take(path, generation + 1);
      if (lock) return lock;
      continue;
    }
    const name = JSON.stringify(owner);
    if (name !== told) options.onWait(owner);
    told = name;
    await sleep(waitMs, options.signal);
  }
}

/** Ours at once, or null where somebody else has it. */
export function tryLock(path: string): Lock | null {
  mkdirSync(path, { recursive: true });
  const { generation, owner } = stateOf(path);
  return owner && !isDead(owner) ? null : take(path, generation + 1);
}

/** Who holds it now, and lives. */
export function livingOwner(path: string): LockOwner | null {
  if (!existsSync(path)) return null;
  const { owner } = stateOf(path);
  return owner && !isDead(owner) ? owner : null;
}

/** Who took it last and did not release it, alive or dead. */
export function lastOwner(path: string): LockOwner | null {
  return existsSync(path) ? stateOf(path).owner : null;
}

function stateOf(path: string): State {
  const generation = highest(path);
  if (generation === 0) return { generation, owner: null };
  try {
    return { generation, owner: JSON.parse(readFileSync(join(path, String(generation)), 'utf8')).owner };
  } catch (error) {
    // Gone: a later generation came meanwhile. Torn: only a power cut leaves half a file, and it killed the owner too.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return stateOf(path);
    return { generation, owner: null };
  }
}

function highest(path: string): number {
  return Math.max(0, ...generations(path));
}

function generations(path: string): number[] {
  return readdirSync(path)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function isDead(owner: LockOwner): boolean {
  return owner.host === hostname() && !isAlive(owner);
}

function take(path: string, generation: number): Lock | null {
  const mine = join(path, String(generation));
  if (!createExclusively(path, mine, { owner: describeMe() })) return null;
  if (highest(path) > generation) {
    rmSync(mine, { force: true });
    return null;
  }
  for (const old of generations(path)) if (old < generation) rmSync(join(path, String(old)), { force: true });
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      const temporary = temporaryIn(path);
      writeFileSync(temporary, JSON.stringify({ owner: null }));
      renameSync(temporary, mine);
    },
  };
}

function createExclusively(path: string, file: string, content: { owner: LockOwner }): boolean {
  const temporary = temporaryIn(path);
  writeFileSync(temporary, JSON.stringify(content));
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function temporaryIn(path: string): string {
  return join(path, `.${process.pid}-${Math.random().toString(36).slice(2)}`);
}

function describeMe(): LockOwner {
  const command = process.argv.join(' ').slice(0, 300);
  return { ...identify(), host: hostname(), command, since: new Date().toISOString() };
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', done);
      clearTimeout(timer);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
    signal?.addEventListener('abort', done);
  });
}
