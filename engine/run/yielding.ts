// Giving way: a running preemptible node is asked to stop at its next safe point, as by the first Ctrl-C, and goes on later from
// what it left in its scratch folder.
import type { Cancellation } from './cancel.ts';

/** Who was asked to give way, and to whom. After `graceMs` it is killed. */
export interface Yielding {
  ask(node: string, to: string, graceMs?: number): void;
  /** Had it a turn in this run? */
  hasBegun(node: string): boolean;
  /** When its first turn in this run began, now if this is it; milliseconds since 1970. */
  begun(node: string): number;
  /** Null when nobody asked in this turn. */
  askedFor(node: string): string | null;
  /** The turn is over. */
  over(node: string): void;
  /** The node begins anew: nobody asked, and it had no turn. */
  forget(node: string): void;
  /** The run's cancellation, for what runs or waits for this node: it stops when the node is asked, too. */
  cancellationFor(node: string): Cancellation;
}

export function createYielding(cancellation: Cancellation): Yielding {
  const asked = new Map<string, { readonly to: string; readonly graceMs: number | undefined }>();
  /** Of what runs for a node, or waits for it. */
  const callbacks = new Map<string, () => void>();
  const begunMs = new Map<string, number>();
  return {
    ask(node, to, graceMs) {
      asked.set(node, { to, graceMs });
      callbacks.get(node)?.();
    },
    hasBegun: (node) => begunMs.has(node),
    begun(node) {
      const at = begunMs.get(node) ?? Date.now();
      begunMs.set(node, at);
      return at;
    },
    askedFor: (node) => asked.get(node)?.to ?? null,
    over: (node) => void asked.delete(node),
    forget(node) {
      asked.delete(node);
      begunMs.delete(node);
    },
    cancellationFor: (node) => ({
      ...cancellation,
      onStop(callback) {
        callbacks.set(node, callback);
        const forget = cancellation.onStop(callback);
        return () => {
          callbacks.delete(node);
          forget();
        };
      },
      watch(one) {
        const stop = () => {
          const { to, graceMs } = asked.get(node)!;
          one.stop(`it gives way to ${to}`);
          if (graceMs === undefined) return;
          const timer = setTimeout(one.kill, graceMs);
          void one.ended.then(() => clearTimeout(timer));
        };
        callbacks.set(node, stop);
        cancellation.watch(one);
        if (asked.has(node)) stop();
      },
      unwatch(one) {
        callbacks.delete(node);
        cancellation.unwatch(one);
      },
    }),
  };
}
