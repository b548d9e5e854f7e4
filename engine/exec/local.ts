// The local executor: module tasks in child processes of Node, shell commands in shells, both kept warm.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Executor } from './executor.ts';
import { createMemoryWatch } from './group.ts';
import { createGuard } from './guard.ts';
import { createModules } from './module.ts';
import { type Notes, noNotes } from './notes.ts';
import { createShells } from './shell.ts';
import type { Strace } from './strace.ts';

export interface LocalOptions {
  readonly strace?: Strace | null;
  /** Where started processes are noted. */
  readonly notes?: Notes;
}

/** With `strace`, shell commands are watched for what they use and did not declare. */
export function createLocalExecutor(root: string, { strace = null, notes = noNotes }: LocalOptions = {}): Executor {
  const memory = createMemoryWatch();
  const guard = createGuard();
  const told = both(guard, notes);
  const modules = createModules(memory, told);
  const shells = createShells(root, memory, told, strace);
  return {
    launch(options) {
      guard.begin();
      mkdirSync(path.dirname(options.log), { recursive: true });
      return options.work.kind === 'module'
        ? modules.launch(options, options.work.job)
        : shells.launch(options, options.work);
    },
    close() {
      modules.close();
      shells.close();
      told.clear();
    },
  };
}

function both(first: Notes, second: Notes): Notes {
  return {
    add(child) {
      first.add(child);
      second.add(child);
    },
    clear() {
      first.clear();
      second.clear();
    },
  };
}
