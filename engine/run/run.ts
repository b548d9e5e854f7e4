// A run: finds what is fresh, then asks the scheduler what may start, starts it, and tells it what became of it.
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import pLimit from 'p-limit';
import { type Cache, type Entry, type Key, StoreDamage } from '../../cache/index.ts';
import type { Allotment, Failure, Listener, RunSummary } from '../event.ts';
import type { Executor } from '../exec/executor.ts';
import { createLocalExecutor } from '../exec/local.ts';
import type { Node, Pipeline } from '../graph/node.ts';
import { type Assessment, assess, type Surroundings } from '../plan/assess.ts';
import type { Code } from '../plan/code.ts';
import { dependencies, outputsOnDisk } from '../plan/plan.ts';
import type { Places } from '../state/places.ts';
import { type NodeState, stateOf } from '../state/record.ts';
import { remainingPaths } from './priority.ts';
import { createBundles, prepareWorkplace, relay, runProcess, type Workplace } from './process.ts';
import { clearOutputs, type Finished, record, saveOutputs } from './publish.ts';
import { keepLog, NO_TRIES, nextTry, waitUnlessStopped } from './retry.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { type Capacity, createSlots, impossible } from './slots.ts';
import { createStopper, type Stopper } from './stopper.ts';

export interface RunRequest {
  readonly pipeline: Pipeline;
  /** Selected nodes in an order in which they can run. */
  readonly nodes: readonly Node[];
  readonly forced: ReadonlySet<string>;
  readonly cache: Cache;
  readonly codes: ReadonlyMap<string, Code>;
  readonly tools: ReadonlyMap<string, string>;
  readonly places: Places;
  readonly runId: string;
  readonly keepGoing: boolean;
  readonly listener: Listener;
  /** Asked for once, when something has to run. */
  capacity(): Promise<Capacity>;
}

export interface Outcome {
  readonly summary: RunSummary;
  readonly failures: readonly Failure[];
  readonly interrupted: boolean;
}

export interface Run {
  /** Does not reject for what a node did. */
  readonly finished: Promise<Outcome>;
  stop(): void;
}

export function startRun(request: RunRequest): Run {
  const stopper = createStopper();
  return { finished: execute(createContext(request, stopper)), stop: stopper.stop };
}

/** What the steps of one run share: how it is going so far. */
interface Context extends RunRequest {
  readonly stopper: Stopper;
  readonly around: Surroundings;
  /** Outputs of the nodes that are done. */
  readonly known: Map<string, Readonly<Record<string, Entry>>>;
  readonly outcome: { ran: string[]; restored: string[]; fresh: string[]; failed: string[] };
  readonly failures: Failure[];
  readonly bundles: ReturnType<typeof createBundles>;
  readonly executor: Executor;
  readonly pending: Set<Promise<void>>;
}

function createContext(request: RunRequest, stopper: Stopper): Context {
  const { pipeline, nodes, cache, codes, tools } = request;
  const selected = new Set(nodes.map(({ name }) => name));
  const known: Context['known'] = new Map();
  const outputsOf = (name: string) =>
    known.get(name) ?? (selected.has(name) ? undefined : outputsOnDisk(request, name));
  return {
    ...request,
    stopper,
    around: { root: pipeline.root, cache, codes, tools, outputsOf },
    known,
    outcome: { ran: [], restored: [], fresh: [], failed: [] },
    failures: [],
    bundles: createBundles(pipeline.root, request.places.code),
    executor: createLocalExecutor(pipeline.root),
    pending: new Set(),
  };
}

async function execute(run: Context): Promise<Outcome> {
  const startedMs = performance.now();
  run.listener({ type: 'run-started', runId: run.runId, profile: run.pipeline.profile, nodes: run.nodes.length });
  const rest = settleFresh(run);
  if (rest.length > 0) await runRest(run, rest).finally(() => run.executor.close());
  const interrupted = run.stopper.stopped();
  const seconds = Math.round(performance.now() - startedMs) / 1000;
  const summary: RunSummary = {
    schemaVersion: 1,
    ok: run.failures.length === 0 && !interrupted,
    ...run.outcome,
    seconds,
  };
  run.listener({ type: 'run-finished', summary });
  return { summary, failures: run.failures, interrupted };
}

/** The common case first: one pass that needs no scheduler, slots or look at the machine. Returns what is not fresh. */
function settleFresh(run: Context): Node[] {
  const selected = new Set(run.nodes.map(({ name }) => name));
  return run.nodes.filter((node) => {
    if (dependencies(node).some((name) => selected.has(name) && !run.known.has(name))) return true;
    const assessed = assess(node, run.around, run.forced.has(node.name));
    if (!assessed.ok || assessed.value.verdict.state !== 'fresh') return true;
    completeFresh(run, node, assessed.value.key, assessed.value.verdict.record.outputs);
    return false;
  });
}

function completeFresh(run: Context, node: Node, key: Key, outputs: Readonly<Record<string, Entry>>): void {
  run.known.set(node.name, outputs);
  run.outcome.fresh.push(node.name);
  run.listener({ type: 'node-fresh', node: node.name, key });
}

async function runRest(run: Context, nodes: readonly Node[]): Promise<void> {
  rmSync(run.places.staging, { recursive: true, force: true });
  const capacity = await run.capacity();
  run.listener({ type: 'run-planned', nodes: nodes.map(({ name }) => name), capacity });
  const dependents = dependentsAmong(nodes);
  const priority = remainingPaths(
    nodes,
    dependents,
    (node) => stateOf(run.cache, node.name)?.seconds ?? node.durationSeconds,
  );
  const scheduler = createScheduler(nodes, dependents, priority, createSlots(capacity));
  const assessments = new Map<string, Assessment>();
  const restoring = pLimit(4);
  const halted = () => run.stopper.stopped() || (run.failures.length > 0 && !run.keepGoing);

  for (;;) {
    for (let due = scheduler.takeDue(); due.length > 0 && !halted(); due = scheduler.takeDue()) {
      for (const node of due) settle(run, node, { scheduler, capacity, assessments, restoring });
    }
    if (!halted()) {
      for (const { node, allotment } of scheduler.takeStartable()) {
        track(run, runNode(run, scheduler, capacity, node, allotment, assessments.get(node.name)!));
      }
    }
    if (run.pending.size === 0) return;
    await Promise.race(run.pending);
  }
}

function track(run: Context, work: Promise<void>): void {
  const tracked: Promise<void> = work.finally(() => run.pending.delete(tracked));
  run.pending.add(tracked);
}

interface Settling {
  readonly scheduler: Scheduler;
  readonly capacity: Capacity;
  readonly assessments: Map<string, Assessment>;
  readonly restoring: ReturnType<typeof pLimit>;
}

/** All that a node needs is done: its verdict is due. */
function settle(run: Context, node: Node, { scheduler, capacity, assessments, restoring }: Settling): void {
  const assessed = assess(node, run.around, run.forced.has(node.name));
  if (!assessed.ok) {
    const named = assessed.error.map((source) => source.path).join(', ');
    return failNode(run, scheduler, node, { kind: 'input', message: `its input ${named} does not exist` }, 0);
  }
  const { verdict } = assessed.value;
  if (verdict.state === 'fresh') {
    completeFresh(run, node, assessed.value.key, verdict.record.outputs);
    return scheduler.done(node);
  }
  assessments.set(node.name, assessed.value);
  if (verdict.state === 'restore')
    return track(
      run,
      restoring(() => restoreNode(run, scheduler, node, assessed.value)),
    );
  const never = impossible(node.resources, capacity);
  if (never) return failNode(run, scheduler, node, { kind: 'input', message: never }, 0);
  scheduler.enqueue(node);
}

function failNode(run: Context, scheduler: Scheduler, node: Node, failure: Failure, seconds: number): void {
  run.failures.push(failure);
  run.outcome.failed.push(node.name);
  run.listener({ type: 'node-failed', node: node.name, failure, seconds });
  for (const { name } of scheduler.failed(node)) run.listener({ type: 'node-blocked', node: name, by: node.name });
}

async function restoreNode(
  run: Context,
  scheduler: Scheduler,
  node: Node,
  { key, ingredients, verdict }: Assessment,
): Promise<void> {
  if (verdict.state !== 'restore') return;
  const begunMs = performance.now();
  const { record: result, reasons } = verdict;
  try {
    for (const { name, path: file } of node.outputs) {
      const target = path.join(run.pipeline.root, file);
      mkdirSync(path.dirname(target), { recursive: true });
      await run.cache.restore(result.outputs[name]!, target);
    }
  } catch (error) {
    if (!(error instanceof StoreDamage)) throw error;
    run.listener({ type: 'note', message: `${node.name}: ${error.message}; it runs again` });
    return scheduler.enqueue(node);
  }
  const state: NodeState = { key, ingredients, reasons, seconds: result.seconds, ranAt: result.ranAt };
  await run.cache.commit([{ space: 'nodes', id: node.name, value: state }]);
  run.outcome.restored.push(node.name);
  run.listener({
    type: 'node-restored',
    node: node.name,
    key,
    ingredients,
    reasons,
    seconds: (performance.now() - begunMs) / 1000,
  });
  run.known.set(node.name, result.outputs);
  scheduler.done(node);
}

async function runNode(
  run: Context,
  scheduler: Scheduler,
  capacity: Capacity,
  node: Node,
  allotment: Allotment,
  assessment: Assessment,
) {
  const { root } = run.pipeline;
  const begunMs = performance.now();
  const seconds = () => (performance.now() - begunMs) / 1000;
  const reasons = assessment.verdict.state === 'fresh' ? [] : assessment.verdict.reasons;
  const workplace = prepareWorkplace(root, run.places, node, assessment);
  const { key, ingredients } = assessment;
  const log = path.relative(root, workplace.log);
  run.listener({ type: 'node-started', node: node.name, key, ingredients, reasons, allotment, log });

  const warnings: string[] = [];
  const ended = await runWithRetries(run, node, workplace, () => {
    warnings.length = 0;
    if (node.action.kind === 'shell') clearOutputs(root, run.cache, node);
    return runProcess({
      root,
      node,
      allotment,
      workplace,
      bundles: run.bundles,
      executor: run.executor,
      machineHasGpus: capacity.gpus.length > 0,
      stopper: run.stopper,
      onMessage(message) {
        if (message.type === 'warn') warnings.push(message.message);
        relay(node, message, run.listener);
      },
    });
  });
  const failure: Failure | null = ended && run.stopper.stopped() ? { ...ended, kind: 'interrupted' } : ended;
  const finished: Finished = {
    node,
    assessment,
    written: workplace.written,
    reasons,
    seconds: seconds(),
    warnings,
    ranAt: new Date().toISOString(),
    log: workplace.log,
  };
  const saved = failure ? { ok: false as const, error: failure } : await saveOutputs(root, run.cache, finished);
  rmSync(workplace.staging, { recursive: true, force: true });
  // GPUs stay taken until the outcome is told, so that no instant of the journal shows two nodes on one.
  const hasGpus = allotment.gpus.length > 0;
  if (!hasGpus || !saved.ok) scheduler.release(node, allotment);
  if (!saved.ok) {
    if (node.action.kind === 'shell') clearOutputs(root, run.cache, node);
    return failNode(run, scheduler, node, saved.error, seconds());
  }
  // Dependents may start on bytes that are in place; the outcome is told once it is durable.
  run.known.set(node.name, saved.value);
  scheduler.done(node);
  const settled = settleRecord(run, finished, saved.value, workplace.scratch);
  track(run, hasGpus ? settled.then(() => scheduler.release(node, allotment)) : settled);
}

async function runWithRetries(
  run: Context,
  node: Node,
  workplace: Workplace,
  attempt: () => Promise<Failure | null>,
): Promise<Failure | null> {
  let tries = NO_TRIES;
  for (let number = 1; ; number++) {
    const failure = await attempt();
    const next = failure && !run.stopper.stopped() ? nextTry(node, failure, tries) : null;
    if (!failure || !next) return failure;
    run.listener({ type: 'node-retried', node: node.name, failure, attempt: number, waitSeconds: next.waitSeconds });
    tries = next.tries;
    keepLog(workplace.log, number);
    await waitUnlessStopped(next.waitSeconds, run.stopper);
    if (run.stopper.stopped()) return failure;
  }
}

async function settleRecord(
  run: Context,
  finished: Finished,
  outputs: Readonly<Record<string, Entry>>,
  scratch: string,
): Promise<void> {
  await record(run.cache, finished, outputs);
  rmSync(scratch, { recursive: true, force: true });
  run.outcome.ran.push(finished.node.name);
  const digests = Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
  run.listener({ type: 'node-done', node: finished.node.name, seconds: finished.seconds, outputs: digests });
}

function dependentsAmong(nodes: readonly Node[]): Map<string, string[]> {
  const dependents = new Map<string, string[]>(nodes.map(({ name }) => [name, []]));
  for (const node of nodes) for (const name of dependencies(node)) dependents.get(name)?.push(node.name);
  return dependents;
}
