// The contract of an executor: it starts, stops and reaps the work of nodes somewhere, and decides nothing. `local/` is the first;
// test/contract/executor.ts is what each has to pass.
//
// Reaped, not adopted: what a killed engine's work still writes goes to a run that is no more, and nobody knows which inputs it
// read, so the next run ends it and begins that node again (from its scratch folder, where it kept its progress there).

import type { Changes } from '../model/environment.ts';
import type { Failure } from '../model/event.ts';
import type { Allotment, Capacity } from '../model/resources.ts';
import type { Declared } from './declared.ts';
import type { ModuleJob, NodeMessage } from './protocol.ts';

export interface CapacityRequest {
  /** How many single-core nodes may run at once; the number of cores by default. */
  readonly jobs: number | null;
  /** The number of GPUs, when the user says it rather than the machine. */
  readonly gpus: number | null;
  readonly pools: Readonly<Record<string, number>>;
  /** Whether any node asks for a GPU: without, nobody looks for them. */
  readonly wantsGpu: boolean;
}

export interface Launch {
  readonly root: string;
  /** Where stdout and stderr go; written anew. */
  readonly log: string;
  /** What was set aside for it, of the executor's capacity. */
  readonly allotment: Allotment;
  /** What differs from the environment that every task has. */
  readonly environment: Changes;
  readonly work:
    | { readonly kind: 'module'; readonly job: ModuleJob }
    | { readonly kind: 'shell'; readonly command: string; readonly declared: Declared };
  readonly timeoutMs: number | null;
  /** Progress, metrics and warnings while the node runs. */
  onMessage(message: NodeMessage): void;
  /** Resolves when the cache's index is on the disk as the engine has it, for work on this host that reads it. */
  readonly whenIndexed?: () => Promise<void>;
}

export interface Running {
  /** Resolves once the work is over; null is success. Never rejects. */
  readonly ended: Promise<Failure | null>;
  /** Asks for an end at the next safe point: a message to a module task, SIGTERM to a shell's group. */
  stop(reason: string): void;
  kill(): void;
}

export interface Executor {
  readonly name: string;
  /** False: work runs where the cache's index may not be opened (it is one host's), so that `ctx.each` remembers nothing. */
  readonly sharesHost: boolean;
  /** What there is to run on. */
  capacity(request: CapacityRequest): Promise<Capacity>;
  /** Never throws: what cannot be started is a failure of infrastructure. */
  launch(work: Launch): Running;
  /**
   * Ends what killed engines left at work in this project; `tell` gets a line for a person before each. To be called under the
   * project's lock. Returns early when it is aborted. Throws `CannotEnd`.
   */
  reapOrphans(tell: (line: string) => void, signal: AbortSignal): Promise<void>;
  /** The run is over: what was kept warm ends. */
  close(): Promise<void>;
}

/** What is left running is another user's, or hangs: a person must see to it. */
export class CannotEnd extends Error {
  override readonly name = 'CannotEnd';
}
