// Everything that can happen in a run, as one union. The terminal, the journal and all other views listen to it; read from a journal,
// it is the same stream (test/journal/replay.test.ts).
import type { Ingredients } from './ingredients.ts';
import type { Reason } from './reason.ts';
import type { Acceptance } from './record.ts';
import type { Allotment, Capacity } from './resources.ts';

/** Why a node failed. `input`: the data or parameters are wrong (exit code 2); `task`: the program failed (1). */
export interface Failure {
  readonly kind: 'input' | 'task' | 'interrupted';
  /** Whose fault it was, which decides whether another try is worth it: the code's, the machine's, or want of memory. */
  readonly cause?: 'code' | 'infrastructure' | 'memory';
  readonly message: string;
  /** What a person can do about it, where we know. */
  readonly hint?: string;
  readonly log?: string;
}

/** How a run was asked for. */
export interface RunHeader {
  /** The words behind `dag`. */
  readonly words: readonly string[];
  readonly pid: number;
  readonly set: readonly string[];
}

export type RunEvent =
  | ({
      readonly type: 'run-started';
      readonly runId: string;
      readonly profile: string | null;
      readonly nodes: number;
    } & RunHeader)
  | {
      /** Something may have to run: the nodes that are not fresh at first sight, and what there is to run them on. */
      readonly type: 'run-planned';
      readonly nodes: readonly string[];
      readonly capacity: Capacity;
    }
  | { readonly type: 'node-fresh'; readonly node: string; readonly key: string }
  | {
      readonly type: 'node-restored';
      readonly node: string;
      readonly key: string;
      readonly ingredients: Ingredients;
      readonly reasons: readonly Reason[];
      readonly seconds: number;
    }
  | {
      readonly type: 'node-started';
      readonly node: string;
      readonly key: string;
      readonly ingredients: Ingredients;
      readonly reasons: readonly Reason[];
      readonly allotment: Allotment;
      readonly log: string;
      /** What it ran before, of this run or an earlier one; absent where it begins. */
      readonly ranSeconds?: number;
    }
  | {
      readonly type: 'node-progress';
      readonly node: string;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
    }
  | {
      readonly type: 'node-metric';
      readonly node: string;
      readonly name: string;
      readonly value: number;
      readonly step: number | null;
    }
  | { readonly type: 'node-warned'; readonly node: string; readonly message: string }
  | {
      readonly type: 'node-done';
      readonly node: string;
      readonly seconds: number;
      /** Content digest of each output by its name. */
      readonly outputs: Readonly<Record<string, string>>;
    }
  | { readonly type: 'node-failed'; readonly node: string; readonly failure: Failure; readonly seconds: number }
  | {
      readonly type: 'node-retried';
      readonly node: string;
      readonly failure: Failure;
      /** The number of the try that failed, from 1. */
      readonly attempt: number;
      readonly waitSeconds: number;
    }
  | {
      /** It stopped at a safe point and waits to go on: neither failed nor done. */
      readonly type: 'node-yielded';
      readonly node: string;
      /** The node that needs its slots; null: it begins again with its new code. */
      readonly to: string | null;
      /** Of this turn. */
      readonly seconds: number;
    }
  | {
      /** An edit reached them, and they are to be done again; so many of them had been settled. */
      readonly type: 'nodes-reopened';
      readonly nodes: readonly string[];
      readonly settled: number;
    }
  | { readonly type: 'node-blocked'; readonly node: string; readonly by: string }
  | {
      /** A person's word outside of a run: a result stays valid. */
      readonly type: 'node-accepted';
      readonly node: string;
      readonly acceptance: Acceptance;
    }
  | { readonly type: 'note'; readonly message: string }
  | { readonly type: 'run-finished'; readonly summary: RunSummary };

/** What a run did, by node name; the shape of `dag run --json`. */
export interface RunSummary {
  readonly schemaVersion: 1;
  readonly ok: boolean;
  readonly ran: readonly string[];
  readonly restored: readonly string[];
  readonly fresh: readonly string[];
  readonly failed: readonly string[];
  readonly seconds: number;
}

export type Listener = (event: RunEvent) => void;

/** A listener that may be slow or fail without harm to the run: the terminal, the journal, an exporter. */
export interface EventSink {
  /** Never throws, never waits. `atMs`: when it happened, milliseconds since 1970. */
  on(event: RunEvent, atMs: number): void;
  /** No event comes any more. What is still on its way has so much time; a failure is told once, and fails no run. */
  close(graceMs: number): Promise<void>;
}
