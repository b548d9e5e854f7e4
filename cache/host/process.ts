// Which process, and which boot of the machine, is meant. A PID comes back after its process died, so the time it started
// belongs to its name. A mark is such a name for a file or folder: HOST~PID~START~RANDOM, and what its owner adds.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

export interface ProcessId {
  readonly pid: number;
  /** Boot and ticks since boot on Linux, what `ps` prints elsewhere; empty where neither says. */
  readonly started: string;
}

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

let own: ProcessId | null = null;

export function identify(): ProcessId {
  own ??= { pid: process.pid, started: startOf(process.pid) ?? '' };
  return own;
}

/** What has ended and was not asked after by its parent. */
export const DEAD = 'dead';

/** `started` is empty where no such process is. */
export function processOf(pid: number): ProcessId {
  return { pid, started: startOf(pid) ?? '' };
}

export function isAlive(id: ProcessId): boolean {
  if (!signalReaches(id.pid)) return false;
  const started = startOf(id.pid);
  return started === null || id.started === '' || started === id.started;
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // Somebody else's, but there.
  }
}

/** Another after the machine was started again. */
export function bootId(): string {
  try {
    return readFileSync(BOOT_ID, 'latin1').trim();
  } catch {
    // To the minute: a clock that was set only costs a few hashes.
    return String(Math.round((Date.now() / 1000 - uptime()) / 60));
  }
}

/** The same, as LMDB has it. */
export function bootNumber(): number {
  const id = bootId();
  return id.includes('-') ? Number.parseInt(id.slice(0, 8), 16) : Number(id);
}

/** Of this process; another with each call. */
export function newMark(): string {
  const { pid, started } = identify();
  const random = Math.random().toString(36).slice(2);
  return [encodeURIComponent(hostname()), pid, encodeURIComponent(started), random].join('~');
}

export interface Mark {
  readonly host: string;
  readonly pid: number;
  /** Of a process on another machine it cannot be told: it is taken to. */
  readonly alive: boolean;
  /** What its owner added. */
  readonly added: readonly string[];
}

/** Null for a name that is no mark. */
export function readMark(name: string): Mark | null {
  const [host, id, started, random, ...added] = name.split('~').map(decodeURIComponent);
  if (random === undefined) return null;
  const pid = Number(id);
  return { host: host!, pid, alive: host !== hostname() || isAlive({ pid, started: started! }), added };
}

function startOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') return startOnLinux(pid);
    if (process.platform === 'win32') return null;
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env: { LC_ALL: 'C' } }).trim();
  } catch {
    return null;
  }
}

/** Field 22 of /proc/PID/stat, counted behind the command, which is in brackets and may hold anything. */
function startOnLinux(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie is dead: it holds nothing and writes nothing.
  if (fields[0] === 'Z' || fields[0] === 'X') return DEAD;
  return `${readFileSync(BOOT_ID, 'latin1').slice(0, 8)}-${fields[19]}`;
}
