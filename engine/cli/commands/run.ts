// dag run: build what is stale among the selected nodes.
import path from 'node:path';
import { acquireLock } from '../../../cache/index.ts';
import type { Executor } from '../../exec/executor.ts';
import { createLocalExecutor } from '../../exec/local/local.ts';
import { machineCapacity } from '../../exec/local/machine.ts';
import type { Notes } from '../../exec/local/pidFiles.ts';
import { findStrace } from '../../exec/local/strace.ts';
import { journalTo, newRunId, type RunHeader } from '../../journal/write.ts';
import type { Listener, RunEvent } from '../../model/event.ts';
import type { Code } from '../../model/ingredients.ts';
import type { Node } from '../../model/node.ts';
import { codeFiles } from '../../plan/code/digest.ts';
import {
  type CommonFlags,
  checkSources,
  learn,
  openSession,
  type Session,
  selectNames,
  selectNodes,
  waitingFor,
} from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { estimatorFor } from '../../report/estimate.ts';
import { terminalReport } from '../../report/terminal.ts';
import { type Outcome, startRun } from '../../run/run.ts';
import { tailOf } from '../../state/logs.ts';
import type { QuietAnswer } from '../../state/noop.ts';
import type { Followed } from '../../watch/follow.ts';
import { EXIT } from '../exit.ts';
import { onSignals } from '../signals.ts';
import { leaveQuiet } from './noop.ts';

export interface RunFlags extends CommonFlags {
  readonly force?: boolean;
  readonly only?: boolean;
  readonly keepGoing?: boolean;
  readonly jobs?: number;
  readonly gpus?: number;
  readonly trace?: boolean;
}

export async function runCommand(selectors: readonly string[], flags: RunFlags): Promise<number> {
  const startedMs = Date.now();
  const session = openSession(flags);
  let outcome: Outcome;
  let seen: { nodes: readonly Node[]; files: readonly string[] } | null = null;
  try {
    outcome = await runSelected(session, selectors, flags, {
      ...(flags.trace ? { createExecutor: tracingExecutor() } : {}),
      onStart(nodes) {
        seen = {
          nodes,
          files: [...codeFiles(session.pipeline.root, nodes, session.cache), path.join(session.cache.dir, 'index.mdb')],
        };
      },
    });
    if (flags.json) process.stdout.write(`${JSON.stringify(outcome.summary)}\n`);
  } finally {
    await session.cache.close();
  }
  if (seen) leaveQuiet(selectors, flags, { startedMs, summary: outcome.summary, ...(seen as Seen) });
  return exitCode(outcome);
}

function tracingExecutor(): (root: string, notes: Notes) => Executor {
  const strace = findStrace();
  if (!strace.ok) throw new UsageError(strace.error);
  return (root, notes) => createLocalExecutor(root, { strace: strace.value, notes });
}

type Seen = Pick<QuietAnswer, 'nodes' | 'files'>;

/** What a caller beside the terminal wants of a run. */
export interface RunHooks {
  createExecutor?(root: string, notes: Notes): Executor;
  readonly mayBeEdited?: boolean;
  /** With what the nodes' code is in this run. */
  onStart?(nodes: readonly Node[], codes: ReadonlyMap<string, Code>, run: Followed): void;
}

/** Takes the project's lock, waiting for it where another run has it, and runs to the end. */
export async function runSelected(
  session: Session,
  selectors: readonly string[],
  flags: RunFlags,
  hooks: RunHooks = {},
): Promise<Outcome> {
  const { pipeline, places, cache } = session;
  const nodes = selectNodes(pipeline, selectors, flags.only ?? false);
  const forced = new Set(flags.force ? selectNames(pipeline, selectors, true) : []);
  const lock = await acquireLock(places.lock, { onWait: waitingFor });
  try {
    await checkSources(session, nodes);
    const runId = newRunId(new Date());
    const terminal = terminalReport({
      stream: process.stderr,
      tail: tailOf,
      estimate: (names, capacity) => estimatorFor(cache, nodes, names, capacity),
    });
    const knowledge = await learn(session, nodes);
    const run = startRun({
      pipeline,
      nodes,
      forced,
      cache,
      places,
      runId,
      ...knowledge,
      keepGoing: flags.keepGoing ?? false,
      capacity: () =>
        machineCapacity({
          jobs: flags.jobs ?? null,
          gpus: flags.gpus ?? null,
          pools: pipeline.pools,
          wantsGpu: nodes.some(({ resources }) => resources.gpu > 0),
        }),
      listener: together([journalTo(places.journals, runId, headerOf(flags)), terminal]),
      ...(hooks.createExecutor ? { createExecutor: hooks.createExecutor } : {}),
      ...(hooks.mayBeEdited ? { mayBeEdited: true } : {}),
    });
    const say = (message: string) => terminal({ type: 'note', message });
    hooks.onStart?.(nodes, knowledge.codes, { say, edit: run.edit });
    const restore = onSignals(run.stop, say);
    return await run.finished.finally(restore);
  } finally {
    lock.release();
  }
}

function together(listeners: readonly Listener[]): Listener {
  return (event: RunEvent) => {
    for (const listener of listeners) listener(event);
  };
}

/** How the run was asked for, for the journal: others see it in history, and can load the pipeline as this run did. */
export function headerOf({ set }: Pick<CommonFlags, 'set'>): RunHeader {
  return { words: process.argv.slice(2), pid: process.pid, set };
}

/** Wrong data is 2 where nothing else went wrong; a program that failed is 1. */
function exitCode({ interrupted, failures }: Outcome): number {
  if (interrupted) return EXIT.interrupted;
  if (failures.length === 0) return EXIT.done;
  return failures.every(({ kind }) => kind === 'input') ? EXIT.usage : EXIT.failed;
}
