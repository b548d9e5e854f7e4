// What of a task would go on after its end in a process that is kept: what it let go with `unref`, for which Node does not wait,
// what its children left running (`sh -c 'sleep 9 &'`), and what it does at the end of the process. Such a process is not kept, but
// ends as Node ends a program; the engine then ends its group.
import { ChildProcess } from 'node:child_process';
import { Socket as DatagramSocket } from 'node:dgram';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Server, Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

const timer = setTimeout(() => {}, 0);
clearTimeout(timer);

type Timer = NodeJS.Timeout & { readonly _destroyed: boolean };
type Lives<T> = (one: T) => boolean;
type Kind<T = never> = readonly [prototype: { unref(): unknown }, lives: Lives<T>];

const kind = <T extends { unref(): unknown }>(prototype: T, lives: Lives<T>): Kind => [prototype, lives];

const KINDS = [
  kind(Object.getPrototypeOf(timer) as Timer, (one) => !one._destroyed),
  kind(Socket.prototype, (one) => !one.destroyed),
  kind(Server.prototype, (one) => one.listening),
  kind(DatagramSocket.prototype, () => true),
  kind(ChildProcess.prototype, (one) => one.exitCode === null && one.signalCode === null),
  kind(Worker.prototype, (one) => one.threadId !== -1),
];
/** Their listeners outlive the task. */
const EVENTS: readonly unknown[] = ['beforeExit', 'exit', 'uncaughtException', 'unhandledRejection'];
const WATCHERS = ['watch', 'watchFile'] as const;

/** Once a process, after the engine's own listeners; before `watchFiles`. The function tells whether there is such a thing. */
export function watchLasting(): () => boolean {
  const letGo = new Map<object, Lives<never>>();
  let enough = 1000;
  let isForGood = false;
  const forget = () => {
    for (const [one, lives] of letGo) if (!lives(one as never)) letGo.delete(one);
    enough = 1000 + 2 * letGo.size;
  };
  for (const [prototype, lives] of KINDS) {
    const { unref } = prototype;
    prototype.unref = function (this: object) {
      letGo.set(this, lives);
      if (letGo.size > enough) forget();
      return unref.call(this);
    };
  }
  for (const name of WATCHERS) {
    const watch = fs[name] as (...words: unknown[]) => unknown;
    (fs as Record<string, unknown>)[name] = (...words: unknown[]) => {
      isForGood = true;
      return watch(...words);
    };
  }
  syncBuiltinESMExports();
  const leftChildren = watchChildren();
  process.on('newListener', (event) => {
    // LMDB's, which `ctx.each` loads, closes databases.
    if (EVENTS.includes(event) && !/[\\/]lmdb[\\/]/.test(new Error().stack ?? '')) isForGood = true;
  });
  return () => {
    forget();
    return isForGood || letGo.size > 0 || leftChildren();
  };
}

const [STATE, GROUP, FAULTS_OF_CHILDREN] = [0, 2, 8];

/** Whether children that have ended left others in the group that this process leads; false where the system does not tell (not Linux). */
function watchChildren(): () => boolean {
  let seen = statOf('self')[FAULTS_OF_CHILDREN];
  const isLeft = (pid: string) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    const stat = statOf(pid);
    return stat[GROUP] === String(process.pid) && stat[STATE] !== 'Z';
  };
  return () => {
    // It grows with each child that has ended; a look at all processes takes milliseconds.
    const faults = statOf('self')[FAULTS_OF_CHILDREN];
    if (faults === seen) return false;
    seen = faults;
    return fs.readdirSync('/proc').some(isLeft);
  };
}

/** Fields after the name, which may hold anything; none of a process that is gone. */
function statOf(pid: string): readonly string[] {
  try {
    const line = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
