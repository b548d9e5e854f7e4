// The local executor: module tasks in child processes of Node, shell commands in shells, both kept warm.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Executor } from '../executor.ts';
import { createModules } from './modules.ts';
import { type Notes, noNotes } from './pidFiles.ts';
import { createMemoryWatch } from './processGroup.ts';
import { createShells } from './shells.ts';
import type { Strace } from './strace.ts';

export interface LocalOptions {
  readonly strace?: Strace | null;
  /** Where started processes are noted. */
  readonly notes?: Notes;
}

/** With `strace`, shell commands are watched for what they use and did not declare. */
export function createLocalExecutor(root: string, { strace = null, notes = noNotes }: LocalOptions = {}): Executor {
  const memory = createMemoryWatch();
  const modules = createModules(memory, notes);
  const shells = createShells(root, memory, notes, strace);
  return {
    launch(options) {
      mkdirSync(path.dirname(options.log), { recursive: true });
      return options.work.kind === 'module'
        ? modules.launch(options, options.work.job)
        : shells.launch(options, options.work);
    },
    close() {
      modules.close();
      shells.close();
      notes.clear();
    },
  };
}
