// One run of the selected nodes, from the project's lock to its end.
import { acquireLock } from '../../cache/index.ts';
import type { Executor } from '../exec/executor.ts';
import { journalTo, newRunId } from '../journal/write.ts';
import type { EventSink, Listener, RunHeader } from '../model/event.ts';
import type { Code } from '../model/ingredients.ts';
import type { Node } from '../model/node.ts';
import { type Outcome, type Run, startRun } from '../run/run.ts';
import { executorOf } from './executor.ts';
import {
  type CommonFlags,
  checkSources,
  learn,
  type Session,
  selectNames,
  selectNodes,
  tellWarnings,
  waitingFor,
} from './session.ts';

export interface RunFlags extends CommonFlags {
  readonly force?: boolean;
  readonly only?: boolean;
  readonly keepGoing?: boolean;
  readonly jobs?: number;
  readonly gpus?: number;
  readonly trace?: boolean;
}

/** What a caller wants of a run. */
export interface RunHooks {
  /** Closed at the end. */
  readonly executor?: Executor;
  readonly mayBeEdited?: boolean;
  /** Who hears of it beside the journal. */
  readonly sinks?: readonly EventSink[];
  /** Before the first event; with what the nodes' code is in this run. */
  onStart?(nodes: readonly Node[], codes: ReadonlyMap<string, Code>, run: Run): void;
}

/** So long an exporter may take to send what it still has. */
const GRACE_MS = 10_000;

/** Takes the project's lock, waiting for it where another run has it, and runs to the end. */
export async function runSelected(
  session: Session,
  selectors: readonly string[],
  flags: RunFlags,
  hooks: RunHooks = {},
): Promise<Outcome> {
  const { pipeline, places, cache } = session;
  const nodes = selectNodes(pipeline, selectors, flags.only ?? false);
  tellWarnings(pipeline);
  const forced = new Set(flags.force ? selectNames(pipeline, selectors, true) : []);
  const executor = hooks.executor ?? executorOf(session, flags.trace);
  const lock = await acquireLock(places.lock, { onWait: waitingFor });
  const runId = newRunId(new Date());
  const sinks = [journalTo(places.journals, runId), ...(hooks.sinks ?? [])];
  try {
    await checkSources(session, nodes);
    const knowledge = await learn(session, nodes);
    const run = startRun({
      pipeline,
      nodes,
      forced,
      cache,
      places,
      runId,
      header: headerOf(flags),
      ...knowledge,
      keepGoing: flags.keepGoing ?? false,
      executor,
      asked: { jobs: flags.jobs ?? null, gpus: flags.gpus ?? null },
      listener: together(sinks),
      mayBeEdited: hooks.mayBeEdited ?? false,
    });
    hooks.onStart?.(nodes, knowledge.codes, run);
    return await run.finished;
  } finally {
    await executor.close();
    await Promise.all(sinks.map((sink) => sink.close(GRACE_MS)));
    lock.release();
  }
}

function together(sinks: readonly EventSink[]): Listener {
  return (event) => {
    const atMs = Date.now();
    for (const sink of sinks) sink.on(event, atMs);
  };
}

/** How the run was asked for, for the journal: others see it in history, and can load the pipeline as this run did. */
function headerOf({ set }: Pick<CommonFlags, 'set'>): RunHeader {
  return { words: process.argv.slice(2), pid: process.pid, set };
}
