// A run: finds what is fresh, then asks the scheduler what may start, starts it, and tells it what became of it.
import { rmSync } from 'node:fs';
import pLimit from 'p-limit';
import type { Failure, RunSummary } from '../model/event.ts';
import type { Node } from '../model/node.ts';
import type { Assessment } from '../plan/assess.ts';
import { outputsOnDisk } from '../plan/plan.ts';
import { runOrder } from '../schedule/makespan.ts';
import { createScheduler } from '../schedule/scheduler.ts';
import { workOf } from '../schedule/work.ts';
import { scratchOf } from '../state/places.ts';
import { usualSeconds } from '../state/records.ts';
import { earlierTurns } from '../state/turns.ts';
import { createBundles } from './bundles.ts';
import { type Cancellation, createCancellation } from './cancel.ts';
import type { ActiveRun, Edit, RunContext, RunRequest } from './context.ts';
import { completeFreshNodes, decide } from './decide.ts';
import { isHeld, noteEdit, takeEditIn } from './edits.ts';
import { executeNode } from './execute.ts';
import { createKeyLocks, noKeyLocks } from './keyLocks.ts';
import { createYielding } from './yielding.ts';

export type { RunRequest } from './context.ts';

export interface Outcome {
  readonly summary: RunSummary;
  readonly failures: readonly Failure[];
  readonly interrupted: boolean;
}

export interface Run {
  /** Does not reject for what a node did. */
  readonly finished: Promise<Outcome>;
  /** Nodes were edited: see edits.ts. False where the run has nothing to do, and hears nothing. */
  edit(edit: Edit): boolean;
  /** First call: nothing new starts and running nodes are asked to end. Second: they are killed. */
  stop(): void;
}

export function startRun(request: RunRequest): Run {
  const cancellation = createCancellation();
  const run = createContext(request, cancellation);
  const edits = createEdits();
  // Not before the caller has what it needs to stop it.
  return { finished: Promise.resolve().then(() => conduct(run, edits)), stop: cancellation.stop, edit: edits.tell };
}

function createContext(request: RunRequest, cancellation: Cancellation): RunContext {
  const { pipeline, nodes, cache, codes, tools } = request;
  const selected = new Set(nodes.map(({ name }) => name));
  const known: RunContext['known'] = new Map();
  const outputsOf = (name: string) =>
    known.get(name) ?? (selected.has(name) ? undefined : outputsOnDisk(request, name));
  return {
    ...request,
    cancellation,
    planContext: { root: pipeline.root, cache, codes, tools, outputsOf },
    known,
    outcome: { ran: [], restored: [], fresh: [], failed: [] },
    failures: new Map(),
  };
}

async function conduct(run: RunContext, edits: Edits): Promise<Outcome> {
  const startedMs = performance.now();
  const { runId, pipeline, nodes, header } = run;
  run.listener({ type: 'run-started', runId, profile: pipeline.profile, nodes: nodes.length, ...header });
  await run.executor.reapOrphans((message) => run.listener({ type: 'note', message }), run.cancellation.signal);
  const rest = completeFreshNodes(run);
  const isWhole = rest.length === 0 || (await runRest(run, rest, edits));
  const interrupted = run.cancellation.stopped();
  const summary: RunSummary = {
    schemaVersion: 1,
    ok: run.failures.size === 0 && !interrupted && isWhole,
    ...run.outcome,
    seconds: Math.round(performance.now() - startedMs) / 1000,
  };
  run.listener({ type: 'run-finished', summary });
  return { summary, failures: [...run.failures.values()], interrupted };
}

/** Edits reach the run while it has something to do. */
function createEdits() {
  let listener: ((edit: Edit) => void) | null = null;
  return {
    tell(edit: Edit): boolean {
      listener?.(edit);
      return listener !== null;
    },
    onEdit(callback: typeof listener) {
      listener = callback;
    },
  };
}

type Edits = ReturnType<typeof createEdits>;

/** False: nodes were left, for a stop, a failure or an edit. */
async function runRest(context: RunContext, nodes: readonly Node[], edits: Edits): Promise<boolean> {
  rmSync(context.places.staging, { recursive: true, force: true });
  const pending = createPending();
  const run = await createActiveRun(context, nodes, pending);
  const assessments = new Map<string, Assessment>();
  const due = (node: Node) => {
    if (isHeld(run, node)) return;
    decide(run, node, (assessment) => {
      assessments.set(node.name, assessment);
      run.scheduler.enqueue(node, run.now(), earlierTurns(node, scratchOf(run.places, assessment)).seconds);
    });
  };
  const halted = () =>
    run.cancellation.stopped() || (run.failures.size > 0 && !run.keepGoing) || run.edit?.isTakenIn === false;
  pending.onBreak(run.cancellation.stop);
  edits.onEdit((edit) => {
    noteEdit(run, edit);
    pending.wake();
  });
  try {
    for (;;) {
      if (!halted()) takeEditIn(run);
      let againInSeconds: number | null = null;
      for (let list = run.scheduler.takeDue(); list.length > 0 && !halted(); list = run.scheduler.takeDue()) {
        for (const node of list) due(node);
      }
      if (!halted()) {
        for (const { node, allotment } of run.scheduler.takeStartable(run.now())) {
          const assessment = assessments.get(node.name)!;
          run.track(
            node,
            executeNode(run, node, allotment, assessment, () => due(node)),
          );
        }
        const advice = run.scheduler.takeYieldRequests(run.now());
        for (const { node, to } of advice.requests) run.yielding.ask(node.name, to.name);
        againInSeconds = advice.againInSeconds;
      }
      if (pending.isEmpty()) {
        pending.throwIfBroken();
        const isWhole = run.scheduler.open() === 0;
        if (halted() || isWhole) return isWhole;
        throw new Error('internal error: nodes are left that nothing will start');
      }
      await pending.next(againInSeconds);
    }
  } finally {
    edits.onEdit(null);
  }
}

/** Node's timers overflow after 24 days. */
const LONGEST_SLEEP_SECONDS = 3600;

/** The work under way. What throws is a defect or a broken disk: the rest is asked to stop, and then the error is thrown. */
function createPending() {
  const pending = new Set<Promise<void>>();
  const busy = new Map<string, number>();
  let broken: { readonly error: unknown } | null = null;
  let onBreak = () => {};
  // One waiter at most: racing all promises would cost each of thousands a reaction for every one that ends.
  let wake = () => {};
  return {
    track({ name }: Node, work: Promise<void>) {
      busy.set(name, (busy.get(name) ?? 0) + 1);
      const tracked: Promise<void> = work
        .catch((error) => {
          if (broken) return;
          broken = { error };
          onBreak();
        })
        .finally(() => {
          pending.delete(tracked);
          const left = busy.get(name)! - 1;
          if (left === 0) busy.delete(name);
          else busy.set(name, left);
          wake();
        });
      pending.add(tracked);
    },
    onBreak(callback: () => void) {
      onBreak = callback;
    },
    isEmpty: () => pending.size === 0,
    isBusy: (name: string) => busy.has(name),
    wake: () => wake(),
    /** Resolves when the next piece of work ends, or after the time. */
    next: (seconds: number | null) =>
      new Promise<void>((resolve) => {
        const timer =
          seconds === null ? null : setTimeout(resolve, Math.min(seconds, LONGEST_SLEEP_SECONDS) * 1000 + 1);
        wake = () => {
          if (timer) clearTimeout(timer);
          resolve();
        };
      }),
    throwIfBroken() {
      if (broken) throw broken.error;
    },
  };
}

/** `nodes`: those that are not fresh. */
async function createActiveRun(
  context: RunContext,
  nodes: readonly Node[],
  { track, isBusy }: Pick<ActiveRun, 'track' | 'isBusy'>,
): Promise<ActiveRun> {
  const { cache, places, pipeline, listener, executor, asked } = context;
  const wantsGpu = context.nodes.some(({ resources }) => resources.gpu > 0);
  const limits = await executor.capacity({ ...asked, pools: pipeline.pools, wantsGpu });
  listener({ type: 'run-planned', nodes: nodes.map(({ name }) => name), capacity: limits });
  const usual = (node: Node) => usualSeconds(cache, node);
  const work = workOf(context.mayBeEdited ? context.nodes : nodes, usual, limits);
  const scheduler = createScheduler(work, runOrder(work));
  for (const node of work.nodes) if (context.known.has(node.name)) scheduler.done(node);
  const startedMs = performance.now();
  return {
    ...context,
    limits,
    scheduler,
    bundles: createBundles(pipeline.root, places.code, context.codes, cache),
    keyLocks: places.cache === places.state ? noKeyLocks : createKeyLocks(cache.dir),
    yielding: createYielding(context.cancellation),
    active: new Map(),
    now: () => (performance.now() - startedMs) / 1000,
    restoring: pLimit(4),
    edit: null,
    track,
    isBusy,
  };
}
