// Process groups and how they end: signals to a whole group, and what an exit means.
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import type { Failure } from '../../model/event.ts';

/** The child must have been spawned detached, so that it leads a group of its own. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly log: string;
  readonly memory: MemoryWatch;
}

/** Null for success. A death by the kernel's hand for want of memory is told apart, since another try would end the same. */
export function exitFailure({ code, signal, log, memory }: Exit): Failure | null {
  if (code === 0) return null;
  if (signal === 'SIGKILL' && memory.ranOut()) return outOfMemory(log);
  if (signal === 'SIGABRT' && /heap out of memory/.test(lastKilobytes(log))) return outOfMemory(log);
  if (signal !== null) return { kind: 'task', cause: 'infrastructure', message: `it was ended by ${signal}`, log };
  return { kind: 'task', cause: 'code', message: `it ended with exit code ${code}`, log };
}

function outOfMemory(log: string): Failure {
  const hint = 'run fewer nodes beside it (--jobs, or a larger `resources: { memory }`), or make it need less';
  return { kind: 'task', cause: 'memory', message: 'it ran out of memory', hint, log };
}

/** A shell reports a child that died of signal N as exit code 128 + N. */
export function signalOfExitCode(code: number): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => number === code - 128);
  return code > 128 && found ? (found[0] as NodeJS.Signals) : null;
}

/**
 * Tells whether the kernel has killed a process for want of memory since the last time it was asked, or since it was made:
 * one of our control group, which is ours and our children's, where the system counts by group; else any.
 */
export interface MemoryWatch {
  ranOut(): boolean;
}

export function createMemoryWatch(): MemoryWatch {
  let seen = oomKills();
  return {
    ranOut() {
      const before = seen;
      seen = oomKills();
      return seen > before;
    },
  };
}

/** Kills for want of memory (Linux 4.13); 0 where the system does not say. */
function oomKills(): number {
  for (const file of [...groupCounters(textOf('/proc/self/cgroup')), '/proc/vmstat']) {
    const count = /^oom_kill (\d+)$/m.exec(textOf(file))?.[1];
    if (count !== undefined) return Number(count);
  }
  return 0;
}

/** Of version 2 and 1; in a container, the group's own folder may be what is mounted. `text`: /proc/self/cgroup. */
export function groupCounters(text: string): string[] {
  const place = (controller: string) => new RegExp(`^\\d+:${controller}:(/.*)$`, 'm').exec(text)?.[1];
  const [unified, memory] = [place(''), place('memory')];
  const one = (mount: string, group: string | undefined, file: string) =>
    group === undefined ? [] : [path.join(mount, group, file), path.join(mount, file)];
  return [
    ...one('/sys/fs/cgroup/memory', memory, 'memory.oom_control'),
    ...one('/sys/fs/cgroup', unified, 'memory.events'),
  ];
}

const lastKilobytes = (file: string) => textOf(file).slice(-8192);

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** Calls `kill` when the time is over; `cancel` says whether it was. */
export function limitTime(timeoutMs: number | null, kill: () => void): { cancel(): boolean } {
  let over = false;
  let timer: NodeJS.Timeout | null = null;
  const arm = (leftMs: number) => {
    // A longer delay would overflow and fire at once.
    const stepMs = Math.min(leftMs, LONGEST_DELAY_MS);
    timer = setTimeout(() => {
      if (leftMs > stepMs) return arm(leftMs - stepMs);
      over = true;
      kill();
    }, stepMs);
  };
  if (timeoutMs !== null) arm(timeoutMs);
  return {
    cancel() {
      if (timer) clearTimeout(timer);
      return over;
    },
  };
}

export function timeoutFailure(timeoutMs: number | null, log: string): Failure {
  const message = `it ran longer than its timeout of ${(timeoutMs ?? 0) / 1000} s and was killed`;
  return { kind: 'task', cause: 'code', message, log };
}
