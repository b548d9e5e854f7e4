// Ctrl-C, once and twice: first nothing new starts and running nodes are asked to end at their safe point, then they are killed.
import type { Running } from '../exec/executor.ts';

export interface Cancellation {
  stop(): void;
  stopped(): boolean;
  /** Aborted at the first stop. */
  readonly signal: AbortSignal;
  /** Calls back at the first stop; returns what takes the call back. */
  onStop(callback: () => void): () => void;
  watch(running: Running): void;
  unwatch(running: Running): void;
}

export function createCancellation(): Cancellation {
  const all = new Set<Running>();
  const callbacks = new Set<() => void>();
  const controller = new AbortController();
  let calls = 0;
  const apply = (running: Running) => {
    if (calls === 1) running.stop('interrupted');
    if (calls > 1) running.kill();
  };
  return {
    stop() {
      calls++;
      controller.abort();
      for (const running of all) apply(running);
      for (const callback of callbacks) callback();
    },
    stopped: () => calls > 0,
    signal: controller.signal,
    onStop(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    watch(running) {
      all.add(running);
      apply(running);
    },
    unwatch(running) {
      all.delete(running);
    },
  };
}
