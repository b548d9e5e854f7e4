// The contract of an executor: it starts, stops and reaps a node's process; it decides nothing.
import type { Failure } from '../model/event.ts';
import type { Declared } from './declared.ts';
import type { FromChild, ModuleJob, ToChild } from './protocol.ts';

export interface Launch {
  readonly root: string;
  /** Where stdout and stderr go; written anew. */
  readonly log: string;
  /** Added to the engine's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly work:
    | { readonly kind: 'module'; readonly job: ModuleJob }
    | { readonly kind: 'shell'; readonly command: string; readonly declared: Declared };
  readonly timeoutMs: number | null;
  /** Progress, metrics and warnings while the node runs. */
  onMessage(message: FromChild): void;
}

export interface Running {
  /** Resolves once the work is over; null is success. Never rejects. */
  readonly ended: Promise<Failure | null>;
  /** Asks for an end at the next safe point: a message to a module task, SIGTERM to a shell's group. */
  stop(reason: string): void;
  kill(): void;
  /** A message to a module task's process; absent where there is no such channel. */
  readonly tell?: (message: ToChild) => void;
}

export interface Executor {
  launch(options: Launch): Running;
  /** Ends processes that were kept warm. */
  close(): void;
}
