// Which executor runs a project's nodes: processes of this machine.
import type { Executor } from '../exec/executor.ts';
import { createLocalExecutor } from '../exec/local/local.ts';
import { findStrace } from '../exec/local/strace.ts';
import type { Capacity } from '../model/resources.ts';
import type { Session } from './session.ts';
import { UsageError } from './usageError.ts';

/** `trace`: shell commands are watched for what they use and did not declare. */
export function executorOf({ pipeline, places }: Pick<Session, 'pipeline' | 'places'>, trace = false): Executor {
  const strace = trace ? findStrace() : null;
  if (strace?.ok === false) throw new UsageError(strace.error);
  return createLocalExecutor(pipeline.root, { running: places.running, strace: strace?.value ?? null });
}

/** For work beside the project, in `root`, on what there is; nobody looks for what it leaves running. */
export function executorBeside(root: string, capacity: Capacity): Executor {
  return createLocalExecutor(root, { capacity });
}
