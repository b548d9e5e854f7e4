// Whether a failed node gets another try, and when. Code and machine have budgets of their own: a preempted process must not
// use up the tries that were meant for a flaky program, and wrong input or want of memory would only fail again.
import { renameSync } from 'node:fs';
import type { Failure } from '../model/event.ts';
import type { Node } from '../model/node.ts';
import type { Cancellation } from './cancel.ts';

export interface Tries {
  /** Failures so far, by whose they were. */
  readonly code: number;
  readonly infrastructure: number;
}

export const NO_TRIES: Tries = { code: 0, infrastructure: 0 };

const INFRASTRUCTURE_RETRIES = 2;
const FIRST_WAIT_SECONDS = 1;
const LONGEST_WAIT_SECONDS = 60;

/** Seconds to wait before the next try, and the count with this failure; null when there is none. */
export function nextTry(
  node: Pick<Node, 'retries'>,
  failure: Failure,
  tries: Tries,
): { waitSeconds: number; tries: Tries } | null {
  if (failure.kind !== 'task' || failure.cause === 'memory') return null;
  const cause = failure.cause === 'infrastructure' ? 'infrastructure' : 'code';
  const budget = cause === 'code' ? node.retries : Math.max(node.retries, INFRASTRUCTURE_RETRIES);
  if (tries[cause] >= budget) return null;
  const waitSeconds = Math.min(FIRST_WAIT_SECONDS * 2 ** tries[cause], LONGEST_WAIT_SECONDS);
  return { waitSeconds, tries: { ...tries, [cause]: tries[cause] + 1 } };
}

/** Resolves after the time, or at once when the run is stopped. */
export function waitUnlessStopped(seconds: number, cancellation: Cancellation): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, seconds * 1000);
    const forget = cancellation.onStop(done);
    function done() {
      clearTimeout(timer);
      forget();
      resolve();
    }
  });
}

/** The log of a try that failed, or of a turn, is kept beside the next one's: `NODE.try1.log`. */
export function keepLog(log: string, what: 'try' | 'turn', number: number): void {
  try {
    renameSync(log, log.replace(/\.log$/, `.${what}${number}.log`));
  } catch {
    // It printed nothing and has no log.
  }
}
