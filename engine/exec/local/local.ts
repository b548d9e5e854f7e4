// The local executor: module tasks in child processes of Node, shell commands in shells, both kept warm.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Capacity } from '../../model/resources.ts';
import type { Executor, Launch } from '../executor.ts';
import { createGuard } from './guard.ts';
import { environmentOf, machineCapacity } from './machine.ts';
import { createModules } from './modules.ts';
import { endOrphans } from './orphans.ts';
import { noPidFiles, type PidFiles, pidFilesIn } from './pidFiles.ts';
import { createMemoryWatch } from './processGroup.ts';
import { createShells } from './shells.ts';
import type { Strace } from './strace.ts';

export interface LocalOptions {
  /** With it, shell commands are watched for what they use and did not declare. */
  readonly strace?: Strace | null;
  /** The folder in which started processes are noted; without, nobody finds them when we are killed. */
  readonly running?: string | null;
  /** What another such executor found on this machine. */
  readonly capacity?: Capacity;
  /** The far side of module tasks. */
  readonly child?: string;
}

export function createLocalExecutor(root: string, options: LocalOptions = {}): Executor {
  const { strace = null, running = null, child = fileURLToPath(new URL('./child.js', import.meta.url)) } = options;
  let limits: Pick<Capacity, 'gpus' | 'gpuNames'> = options.capacity ?? { gpus: [] };
  const guard = createGuard();
  const notes = both(guard, running === null ? noPidFiles : pidFilesIn(running));
  const start = () => {
    guard.begin();
    const memory = createMemoryWatch();
    return { modules: createModules(child, memory, notes), shells: createShells(root, memory, notes, strace) };
  };
  // A run with nothing to do starts nothing.
  let started: ReturnType<typeof start> | null = null;
  return {
    name: 'local',
    sharesHost: true,
    async capacity(request) {
      const found = await machineCapacity(request);
      limits = found;
      return found;
    },
    launch(work) {
      started ??= start();
      mkdirSync(path.dirname(work.log), { recursive: true });
      const launch: Launch = {
        ...work,
        environment: { ...environmentOf(work.allotment, limits), ...work.environment },
      };
      return work.work.kind === 'module'
        ? started.modules.launch(launch, work.work.job)
        : started.shells.launch(launch, work.work);
    },
    async reapOrphans(tell, signal) {
      if (running !== null) await endOrphans(running, root, tell, signal);
    },
    async close() {
      started?.modules.close();
      started?.shells.close();
      notes.clear();
    },
  };
}

function both(first: PidFiles, second: PidFiles): PidFiles {
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
