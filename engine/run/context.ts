// What the steps of one run share, and how a node's end is told: to the scheduler, the listeners and the summary together.
import type { Entry, Key } from '../../cache/index.ts';
import type { CapacityRequest, Executor } from '../exec/executor.ts';
import type { Failure, Listener, RunHeader } from '../model/event.ts';
import type { Code } from '../model/ingredients.ts';
import type { Node, Pipeline } from '../model/node.ts';
import type { Capacity } from '../model/resources.ts';
import type { PlanContext } from '../plan/assess.ts';
import type { PlanRequest } from '../plan/plan.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { Places } from '../state/places.ts';
import type { Bundles } from './bundles.ts';
import type { Cancellation } from './cancel.ts';
import type { KeyLocks } from './keyLocks.ts';
import type { Yielding } from './yielding.ts';

/** What is planned, and how it is to be run. */
export interface RunRequest extends PlanRequest {
  readonly places: Places;
  readonly runId: string;
  readonly header: RunHeader;
  readonly keepGoing: boolean;
  readonly listener: Listener;
  /** Where nodes run; closed by who made it. */
  readonly executor: Executor;
  /** What the user said of the machine. */
  readonly asked: Pick<CapacityRequest, 'jobs' | 'gpus'>;
  /** `Run.edit` may be called: nodes that were fresh at first are then part of the work, too. */
  readonly mayBeEdited?: boolean;
}

export type Outputs = Readonly<Record<string, Entry>>;

export interface RunContext extends RunRequest {
  readonly cancellation: Cancellation;
  readonly planContext: PlanContext;
  /** Outputs of the nodes that are done. */
  readonly known: Map<string, Outputs>;
  readonly outcome: Record<'ran' | 'restored' | 'fresh' | 'failed', string[]>;
  /** By node. */
  readonly failures: Map<string, Failure>;
}

export interface Edit {
  readonly pipeline: Pipeline;
  /** The run's nodes as they are now. */
  readonly nodes: readonly Node[];
  readonly codes: ReadonlyMap<string, Code>;
  readonly tools: ReadonlyMap<string, string>;
  /** Nodes whose results would be of the past. */
  readonly reached: ReadonlySet<string>;
  /** All that needs them. */
  readonly dependents: ReadonlySet<string>;
}

export interface PendingEdit extends Edit {
  /** False: the run ends once what goes on has ended. */
  readonly isTakenIn: boolean;
}

/** A run in which something is not fresh: it has a scheduler, and work under way. */
export interface ActiveRun extends RunContext {
  // What an edit replaces.
  pipeline: RunContext['pipeline'];
  nodes: RunContext['nodes'];
  codes: RunContext['codes'];
  tools: RunContext['tools'];
  planContext: RunContext['planContext'];
  bundles: Bundles;
  edit: PendingEdit | null;
  readonly scheduler: Scheduler;
  readonly limits: Capacity;
  readonly keyLocks: KeyLocks;
  readonly yielding: Yielding;
  /** Keys that are being run, until the result is recorded or there is none. */
  readonly active: Map<Key, Promise<void>>;
  /** Seconds since the run began. */
  now(): number;
  /** Restores are bounded, so that thousands do not open files at once. */
  restoring(work: () => Promise<void>): Promise<void>;
  /** Work for a node, that the run must not end before. */
  track(node: Node, work: Promise<void>): void;
  /** Is there such work of the node under way? */
  isBusy(name: string): boolean;
}

export function completeFresh(run: RunContext, node: Node, key: Key, outputs: Outputs): void {
  run.known.set(node.name, outputs);
  run.outcome.fresh.push(node.name);
  run.listener({ type: 'node-fresh', node: node.name, key });
}

/** Dependents may start: the outputs are in place. */
export function complete(run: ActiveRun, node: Node, outputs: Outputs): void {
  run.known.set(node.name, outputs);
  run.scheduler.done(node);
}

export function failNode(run: ActiveRun, node: Node, failure: Failure, seconds = 0): void {
  run.failures.set(node.name, failure);
  run.outcome.failed.push(node.name);
  run.listener({ type: 'node-failed', node: node.name, failure, seconds });
  for (const { name } of run.scheduler.failed(node)) run.listener({ type: 'node-blocked', node: name, by: node.name });
}
