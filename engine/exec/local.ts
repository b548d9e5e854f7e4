// The local executor: one process group a node, its output in a log file. It starts, stops and reaps; it decides nothing.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Failure } from '../event.ts';
import type { FromChild, ModuleJob, ToChild } from './protocol.ts';

export interface Launch {
  readonly root: string;
  readonly log: string;
  /** Added to the engine's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly work:
    | { readonly kind: 'module'; readonly job: ModuleJob }
    | { readonly kind: 'shell'; readonly command: string };
  readonly timeoutMs: number | null;
  /** Progress, metrics and warnings while the node runs. */
  onMessage(message: FromChild): void;
}

export interface Running {
  readonly pid: number | null;
  /** Resolves once the process is gone; null is success. Never rejects. */
  readonly ended: Promise<Failure | null>;
  /** Asks for an end at the next safe point: a message to a module task, SIGTERM to a shell's group. */
  stop(reason: string): void;
  kill(): void;
}

// Networks of many megabytes a step make glibc map and unmap all day; these keep freed memory in the process.
const ALLOCATOR = {
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '17179869184',
  MALLOC_TOP_PAD_: '268435456',
};
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

export function launch(options: Launch): Running {
  const log = openSync(options.log, 'a');
  try {
    return options.work.kind === 'module'
      ? launchModule(options, options.work.job, log)
      : launchShell(options, options.work.command, log);
  } finally {
    closeSync(log);
  }
}

function launchModule(options: Launch, job: ModuleJob, log: number): Running {
  const child = spawn(process.execPath, ['--enable-source-maps', CHILD], {
    cwd: options.root,
    env: { ...process.env, ...ALLOCATOR, ...options.environment },
    stdio: ['ignore', log, log, 'ipc'],
    serialization: 'advanced',
    detached: true,
  });
  let answer: FromChild | null = null;
  child.on('message', (message: FromChild) => {
    if (message.type === 'done' || message.type === 'error') answer = message;
    else options.onMessage(message);
  });
  const tell = (message: ToChild) => {
    if (child.connected) child.send(message, () => {});
  };
  tell({ type: 'job', job });
  const running = supervise(child, options, (reason) => tell({ type: 'stop', reason }));
  return {
    ...running,
    ended: running.ended.then((failure) => {
      if (answer?.type === 'done') return null;
      if (answer?.type === 'error') return { kind: answer.kind, message: answer.message, log: options.log };
      return failure ?? { kind: 'task', message: 'the process ended before the task did', log: options.log };
    }),
  };
}

function launchShell(options: Launch, command: string, log: number): Running {
  const child = spawn('/bin/sh', ['-eu', '-c', command], {
    cwd: options.root,
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', log, log],
    detached: true,
  });
  return supervise(child, options, () => signalGroup(child, 'SIGTERM'));
}

function supervise(child: ChildProcess, options: Launch, stop: (reason: string) => void): Running {
  let timedOut = false;
  const timer =
    options.timeoutMs === null
      ? null
      : setTimeout(() => {
          timedOut = true;
          signalGroup(child, 'SIGKILL');
        }, options.timeoutMs);
  const ended = new Promise<Failure | null>((resolve) => {
    const end = (failure: Failure | null) => {
      if (timer) clearTimeout(timer);
      resolve(failure);
    };
    child.once('error', (error) =>
      end({ kind: 'task', message: `it could not be started: ${error.message}`, log: options.log }),
    );
    child.once('close', (code, signal) => {
      // What the command left running in its group would write after we hash.
      signalGroup(child, 'SIGKILL');
      end(timedOut ? timeout(options) : exitFailure(code, signal, options.log));
    });
  });
  return { pid: child.pid ?? null, ended, stop, kill: () => signalGroup(child, 'SIGKILL') };
}

function timeout({ timeoutMs, log }: Launch): Failure {
  return { kind: 'task', message: `it ran longer than its timeout of ${timeoutMs! / 1000} s and was killed`, log };
}

function exitFailure(code: number | null, signal: NodeJS.Signals | null, log: string): Failure | null {
  if (code === 0) return null;
  if (signal === 'SIGKILL') {
    return {
      kind: 'task',
      message: 'it was killed (SIGKILL)',
      hint: 'if nobody killed it, the system ran out of memory: see its `resources: { memory }`',
      log,
    };
  }
  return { kind: 'task', message: signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`, log };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}
