// What a killed run left running: its commands would write into the outputs of the next run. Those that its notes name and
// that are still the same processes are ended, with all of their groups: asked first, then killed.
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { DEAD, isAlive, processOf } from '../../../cache/index.ts';
import { CannotEnd } from '../executor.ts';
import type { PidFile } from './pidFiles.ts';

const GRACE_MS = 3000;
/** What hangs in a driver or a network file system is not ended by being killed. */
const KILL_MS = 10_000;
const POLL_MS = 20;

/** `Executor.reapOrphans`; `folder`: where processes are noted. */
export async function endOrphans(
  folder: string,
  root: string,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  if (!existsSync(folder)) return;
  const place = realpathSync(root);
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name);
    const note = readNote(file);
    if (note && isAlive(note.engine)) continue; // Of an audit, which takes no lock.
    const members = note ? membersOf(note, place) : [];
    if (note && members.length > 0) {
      const what = members.map(describe).join('; ');
      tell(`ending what a killed run (process ${note.engine.pid}) had left running: ${what}`);
      if (!(await endGroup(note, place, signal))) return;
    }
    rmSync(file, { force: true });
  }
}

function readNote(file: string): PidFile | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as PidFile;
  } catch {
    return null; // Half written: the engine was killed while it started that process.
  }
}

/** False: stopped before it had ended. */
async function endGroup(note: PidFile, root: string, aborting: AbortSignal): Promise<boolean> {
  signalGroup(note.child.pid, 'SIGTERM');
  const askedMs = performance.now();
  for (;;) {
    const members = membersOf(note, root);
    if (members.length === 0) return true;
    if (aborting.aborted) return false;
    const waitedMs = performance.now() - askedMs;
    if (waitedMs > GRACE_MS + KILL_MS) throw cannotEnd(members, 'it does not end though it was killed');
    if (waitedMs > GRACE_MS) signalGroup(note.child.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') throw cannotEnd([group], "it is another user's");
    // It is gone.
  }
}

function cannotEnd(pids: readonly number[], why: string): CannotEnd {
  return new CannotEnd(
    `what a killed run left running cannot be ended: ${pids.map(describe).join('; ')}: ${why}. It may write into the outputs of this run: end it, then run again.`,
  );
}

/** PIDs of the group, when it is the one that was noted: a number may have come to mean another by now. */
function membersOf({ child }: PidFile, root: string): number[] {
  if (isAlive(child)) return [child.pid, ...inGroup(child.pid).filter((pid) => pid !== child.pid)];
  if (!['', DEAD].includes(processOf(child.pid).started)) return [];
  // Its leader is dead. While a group lives no other process gets its number; to be sure, it must be at work in the project.
  return inGroup(child.pid).filter((pid) => isIn(root, pid));
}

/** Linux only: elsewhere a group is known by its leader alone. */
function inGroup(group: number): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const fields = statFields(pid);
      return fields !== null && fields[0] !== 'Z' && Number(fields[2]) === group && Number(fields[3]) === group;
    });
}

/** Of /proc/PID/stat, from the state on: behind the command, which may hold anything. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function isIn(root: string, pid: number): boolean {
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${root}/`);
  } catch {
    return false;
  }
}

const SHOWN_LETTERS = 80;

function describe(pid: number): string {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
    return `process ${pid} (${command.length > SHOWN_LETTERS ? `${command.slice(0, SHOWN_LETTERS)}…` : command})`;
  } catch {
    return `process ${pid}`;
  }
}
