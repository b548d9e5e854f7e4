// The local executor: module tasks in child processes of Node, shell commands in shells, both kept warm.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Executor } from './executor.ts';
import { createMemoryWatch } from './group.ts';
import { createModules } from './module.ts';
import { createShells } from './shell.ts';
import type { Strace } from './strace.ts';

/** With `strace`, shell commands are watched for what they use and did not declare. */
export function createLocalExecutor(root: string, strace: Strace | null = null): Executor {
  const memory = createMemoryWatch();
  const modules = createModules(memory);
  const shells = createShells(root, memory, strace);
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
    },
  };
}
