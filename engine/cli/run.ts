// dag run: build what is stale among the selected nodes.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { acquireLock, type Cache } from '../../cache/index.ts';
import type { Listener, RunEvent } from '../event.ts';
import type { Executor } from '../exec/executor.ts';
import { createLocalExecutor } from '../exec/local.ts';
import type { Notes } from '../exec/notes.ts';
import { findStrace } from '../exec/strace.ts';
import type { Node } from '../graph/node.ts';
import { type Code, codeFiles } from '../plan/code.ts';
import { dependencies } from '../plan/plan.ts';
import { createEstimator, type Estimator } from '../report/eta.ts';
import { terminalReport } from '../report/terminal.ts';
import { machineCapacity } from '../run/capacity.ts';
import type { QuietAnswer } from '../run/quiet.ts';
import { type Outcome, startRun } from '../run/run.ts';
import type { Capacity } from '../run/slots.ts';
import { journalTo, newRunId, type RunHeader } from '../state/journal.ts';
import { stateOf } from '../state/record.ts';
import type { Followed } from '../watch/follow.ts';
import { EXIT, UsageError } from './failure.ts';
import { leaveQuiet } from './quiet.ts';
import {
  type CommonFlags,
  checkSources,
  learn,
  openSession,
  type Session,
  selectNames,
  selectNodes,
  waitingFor,
} from './session.ts';
import { onSignals } from './signals.ts';

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

export function estimatorFor(
  cache: Cache,
  nodes: readonly Node[],
  names: readonly string[],
  capacity: Capacity,
): Estimator {
  const wanted = new Set(names);
  const expected = nodes
    .filter(({ name }) => wanted.has(name))
    .map((node) => ({
      name: node.name,
      task: node.task,
      seconds: stateOf(cache, node.name)?.seconds ?? node.durationSeconds,
      cores: node.resources.cpu,
      gpus: capacity.gpus.length > 0 ? node.resources.gpu : 0,
      needs: dependencies(node),
    }));
  return createEstimator(expected, capacity);
}

const TAIL_BYTES = 65_536;

/** The last lines of a log; none where there is no log, since a node's failure must be told in any case. */
export function tailOf(log: string, lines: number): string[] {
  try {
    const file = openSync(log, 'r');
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(file, bytes, 0, bytes.length, size - bytes.length);
      const text = bytes.toString('utf8').trimEnd();
      return text === '' ? [] : text.split('\n').slice(-lines);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}

/** Wrong data is 2 where nothing else went wrong; a program that failed is 1. */
function exitCode({ interrupted, failures }: Outcome): number {
  if (interrupted) return EXIT.interrupted;
  if (failures.length === 0) return EXIT.done;
  return failures.every(({ kind }) => kind === 'input') ? EXIT.usage : EXIT.failed;
}
