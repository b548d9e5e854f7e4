// The local executor: module tasks in child processes of Node, shell commands in shells, both kept warm.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Executor } from './executor.ts';
import { createMemoryWatch } from './group.ts';
import { createModules } from './module.ts';
import { createShells } from './shell.ts';

export function createLocalExecutor(root: string): Executor {
  const memory = createMemoryWatch();
  const modules = createModules(memory);
  const shells = createShells(root, memory);
  return {
    launch(options) {
      mkdirSync(path.dirname(options.log), { recursive: true });
      return options.work.kind === 'module'
        ? modules.launch(options, options.work.job)
        : shells.launch(options, options.work.command);
    },
    close() {
      modules.close();
      shells.close();
    },
  };
}
