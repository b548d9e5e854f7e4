// Module tasks: a child process imports the bundled module and runs it. A process that ended its work well is kept for the
// next node with the same code and environment, which saves starting Node and loading its packages again.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, copyFileSync, ftruncateSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { taskEnvironment, withChanges } from '../../model/environment.ts';
import type { Failure } from '../../model/event.ts';
import type { Launch, Running } from '../executor.ts';
import type { FromChild, ModuleJob, ToChild } from '../protocol.ts';
import type { PidFiles } from './pidFiles.ts';
import { exitFailure, limitTime, type MemoryWatch, signalGroup, timeoutFailure } from './processGroup.ts';

export interface Modules {
  launch(options: Launch, job: ModuleJob): Running;
  close(): void;
}

// Networks of many megabytes a step make glibc map and unmap all day; these keep freed memory in the process, and ask for it in
// huge pages.
const ALLOCATOR = {
  GLIBC_TUNABLES: ['glibc.malloc.hugetlb=1', process.env.GLIBC_TUNABLES].filter(Boolean).join(':'),
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '17179869184',
  MALLOC_TOP_PAD_: '268435456',
};
/** A process that has grown beyond this is not kept: its memory would be missing to the next node's neighbours. */
const KEEP_BELOW_BYTES = 512 * 2 ** 20;

/** `program`: the far side, exec/child/main.ts as it was built. */
export function createModules(program: string, memory: MemoryWatch, notes: PidFiles): Modules {
  const idle = new Map<string, Worker[]>();

  const reuse = (kind: string, log: string): Worker | null => {
    const worker = idle.get(kind)?.pop();
    if (!worker) return null;
    if (worker.process.connected && moveOutput(worker, log)) return worker;
    worker.process.kill('SIGKILL');
    return null;
  };
  /** As many processes wait as there are cores, at most: a pipeline of many tasks must not fill the memory with them. */
  const startInPlace = (options: Launch): Worker => {
    const waiting = [...idle.values()].filter((workers) => workers.length > 0);
    if (waiting.reduce((sum, workers) => sum + workers.length, 0) >= availableParallelism()) end(waiting[0]!.shift()!);
    const worker = start(program, options);
    notes.add(worker.process);
    return worker;
  };
  return {
    launch(options, job) {
      const kind = JSON.stringify([job.bundle, job.packages, options.environment]);
      const worker = reuse(kind, options.log) ?? startInPlace(options);
      return supervise(worker.process, options, job, memory, (rssBytes, wasStopped) => {
        if (rssBytes < KEEP_BELOW_BYTES && !wasStopped) idle.set(kind, [...(idle.get(kind) ?? []), worker]);
        else end(worker);
      });
    },
    close() {
      for (const workers of idle.values()) workers.forEach(end);
    },
  };
}

/** A process, and the file that its stdout and stderr write to for as long as it lives. */
interface Worker {
  readonly process: ChildProcess;
  readonly output: number;
  log: string;
}

function end({ process: child }: Worker): void {
  if (child.connected) child.disconnect();
}

/**
 * A process cannot be given another stdout. So the next node's log becomes a name of the same file, after the last node's
 * log was made a copy, and the file starts anew. False when the last log is not there any more.
 */
function moveOutput(worker: Worker, log: string): boolean {
  if (worker.log === log) return false;
  const copy = `${worker.log}.copy`;
  try {
    copyFileSync(worker.log, copy);
    rmSync(log, { force: true });
    linkSync(worker.log, log);
    renameSync(copy, worker.log);
    ftruncateSync(worker.output);
  } catch {
    return false;
  }
  worker.log = log;
  return true;
}

function start(program: string, options: Launch): Worker {
  rmSync(options.log, { force: true });
  const output = openSync(options.log, 'a');
  const child = spawn(process.execPath, ['--enable-source-maps', program], {
    cwd: options.root,
    env: withChanges({ ...taskEnvironment(), ...ALLOCATOR }, options.environment),
    stdio: ['ignore', output, output, 'ipc'],
    serialization: 'advanced',
    detached: true,
  });
  child
    .once('exit', () => {
      closeSync(output);
      // What it started and left in its group would write on.
      signalGroup(child, 'SIGKILL');
    })
    .once('error', () => {});
  return { process: child, output, log: options.log };
}

function supervise(
  child: ChildProcess,
  options: Launch,
  job: ModuleJob,
  memory: MemoryWatch,
  /** A process that was asked to stop and ended all the same would stop its next node. */
  onDone: (rssBytes: number, wasStopped: boolean) => void,
): Running {
  const kill = () => signalGroup(child, 'SIGKILL');
  const limit = limitTime(options.timeoutMs, kill);
  let stopped = false;
  const tell = (message: ToChild) => {
    if (message.type === 'stop') stopped = true;
    if (child.connected) child.send(message, () => {});
  };
  const ended = new Promise<Failure | null>((resolve) => {
    let answer: FromChild | null = null;
    const finish = (failure: Failure | null) => {
      const late = limit.cancel();
      child.off('message', hear).off('exit', gone).off('error', broken);
      resolve(late ? timeoutFailure(options.timeoutMs, options.log) : failure);
    };
    const hear = (message: FromChild) => {
      switch (message.type) {
        case 'error':
          // Of several errors the first is the cause.
          if (answer?.type !== 'error') answer = message;
          return;
        case 'index':
          // A child that cannot be told would wait for ever; the failed write is told where the record is written.
          return void options.whenIndexed?.().then(() => tell({ type: 'indexed' }), kill);
        case 'done':
          if (answer?.type !== 'error') answer = message;
          if (!message.isKept) return;
          finish(null);
          return onDone(message.rssBytes, stopped);
        default:
          return options.onMessage(message);
      }
    };
    const gone = (code: number | null, signal: NodeJS.Signals | null) => {
      if (answer?.type === 'error') return finish(reported(answer, options.log));
      if (answer?.type === 'done' && code === 0) return finish(null);
      const lost = 'the process ended before the task did';
      finish(
        exitFailure({ code, signal, log: options.log, memory }) ?? {
          kind: 'task',
          cause: 'code',
          message: lost,
          log: options.log,
        },
      );
    };
    const broken = (error: Error) =>
      finish({
        kind: 'task',
        cause: 'infrastructure',
        message: `it could not be started: ${error.message}`,
        log: options.log,
      });
    child.on('message', hear).once('exit', gone).once('error', broken);
  });
  tell({ type: 'job', job });
  return { ended, stop: (reason) => tell({ type: 'stop', reason }), kill };
}

function reported(answer: Extract<FromChild, { type: 'error' }>, log: string): Failure {
  return { kind: answer.kind, cause: 'code', message: answer.message, log };
}
