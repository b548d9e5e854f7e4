// Shell commands. A spawn costs Node more than most commands cost, so shells are kept warm: a `/bin/sh` reads from its stdin
// one line of ours a command, forks a subshell for it, and answers with the exit code.
//
// A command sees what `sh -eu -c` would show it, but for `$$` (the warm shell's) and processes it leaves in the background
// (nobody would end them): a command with either gets a shell of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { taskEnvironment, withChanges } from '../../model/environment.ts';
import type { Failure } from '../../model/event.ts';
import type { Launch, Running } from '../executor.ts';
import type { PidFiles } from './pidFiles.ts';
import {
  exitFailure,
  limitTime,
  type MemoryWatch,
  signalGroup,
  signalOfExitCode,
  timeoutFailure,
} from './processGroup.ts';
import type { Strace } from './strace.ts';
import { reportPath, undeclaredUses } from './trace.ts';

type Ended = (code: number | null, signal: NodeJS.Signals | null) => void;

interface WarmShell {
  readonly process: ChildProcess;
  /** Set while a command runs. */
  ended: Ended | null;
}

type Work = Extract<Launch['work'], { kind: 'shell' }>;

export interface Shells {
  launch(options: Launch, work: Work): Running;
  close(): void;
}

/** Who else hears of a process. */
interface Keepers {
  readonly memory: MemoryWatch;
  readonly notes: PidFiles;
}

const NEEDS_OWN_SHELL = /\$\$|\$\{\$\}|(?:^|[^&<>|\\])&(?![&\d-])/;

export function createShells(root: string, memory: MemoryWatch, notes: PidFiles, strace: Strace | null): Shells {
  const idle: WarmShell[] = [];
  const all = new Set<WarmShell>();

  const start = (): WarmShell => {
    const child = spawn('/bin/sh', [], {
      cwd: root,
      env: taskEnvironment(),
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    notes.add(child);
    const shell: WarmShell = { process: child, ended: null };
    all.add(shell);
    const finish: Ended = (code, signal) => {
      const { ended } = shell;
      shell.ended = null;
      ended?.(code, signal);
    };
    createInterface({ input: child.stdout! }).on('line', (line) => {
      idle.push(shell);
      finish(Number(line), null);
    });
    child.stdin!.on('error', () => {});
    child.once('error', () => finish(127, null));
    child.once('close', (code, signal) => {
      all.delete(shell);
      const at = idle.indexOf(shell);
      if (at >= 0) idle.splice(at, 1);
      finish(code, signal ?? 'SIGKILL');
    });
    // Caught and not ignored: an ignored signal would stay ignored in the commands.
    child.stdin!.write('trap : TERM INT HUP\n');
    return shell;
  };

  return {
    launch(options, work) {
      const { command } = work;
      if (strace) return launchTraced(options, work, { memory, notes }, strace);
      if (NEEDS_OWN_SHELL.test(command))
        return launchCold(options, ['/bin/sh', '-eu', '-c', command], { memory, notes });
      const shell = idle.pop() ?? start();
      return supervise(options, shell.process, { own: false, memory }, (ended) => {
        shell.ended = ended;
        shell.process.stdin!.write(lineFor(options, command));
      });
    },
    close() {
      for (const shell of all) shell.process.stdin!.end();
    },
  };
}

function lineFor({ log, environment }: Launch, command: string): string {
  const changes = Object.entries(environment).map(([name, value]) =>
    value === null ? `unset ${name}; ` : `export ${name}=${quote(value)}; `,
  );
  return `(${changes.join('')}set -eu; eval ${quote(command)}) </dev/null >${quote(log)} 2>&1; echo $?\n`;
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function launchTraced(options: Launch, { command, declared }: Work, keepers: Keepers, strace: Strace): Running {
  const words = [...strace, '-o', reportPath(options.log), '/bin/sh', '-eu', '-c', command];
  const running = launchCold(options, words, keepers);
  const judged = async (failure: Failure | null) => {
    const messages = failure ? [] : await undeclaredUses(options.root, options.log, declared);
    rmSync(reportPath(options.log), { force: true });
    for (const message of messages) options.onMessage({ type: 'warn', message });
    return failure;
  };
  return { ...running, ended: running.ended.then(judged) };
}

function launchCold(options: Launch, [program = '', ...words]: readonly string[], { memory, notes }: Keepers): Running {
  const log = openSync(options.log, 'w');
  const child = spawn(program, words, {
    cwd: options.root,
    env: withChanges(taskEnvironment(), options.environment),
    stdio: ['ignore', log, log],
    detached: true,
  });
  notes.add(child);
  closeSync(log);
  return supervise(options, child, { own: true, memory }, (ended) => {
    child.once('error', () => ended(127, null));
    child.once('close', ended);
  });
}

interface Watch {
  /** The shell runs this command alone. */
  readonly own: boolean;
  readonly memory: MemoryWatch;
}

function supervise(
  options: Launch,
  child: ChildProcess,
  { own, memory }: Watch,
  begin: (ended: Ended) => void,
): Running {
  const kill = () => signalGroup(child, 'SIGKILL');
  const limit = limitTime(options.timeoutMs, kill);
  const ended = new Promise<Failure | null>((resolve) => {
    begin((code, signal) => {
      // What the command left running in its group would write after we hash.
      if (own) kill();
      if (limit.cancel()) return resolve(timeoutFailure(options.timeoutMs, options.log));
      const died = signal ?? signalOfExitCode(code ?? 0);
      resolve(exitFailure({ code, signal: died, log: options.log, memory }));
    });
  });
  return { ended, stop: () => signalGroup(child, 'SIGTERM'), kill };
}
