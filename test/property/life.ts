// The life of a process that is imitated within the test's: steps are counted, and after the last one nothing has an effect.
import type { Cache } from '../../cache/index.ts';

export class Killed extends Error {}

/** A process' life as its effects see it. */
export interface Life {
  /** A step that may be the last. */
  step(): void;
  over(): boolean;
  /** Rejects when it ends. */
  readonly ended: Promise<never>;
  /** Nothing gets through to the cache after the end. */
  guard(cache: Cache): Cache;
  /** What was under way at the end has come to rest. */
  settled(): Promise<void>;
}

/** `onStep`: called with each step's number, from 0. */
export function createLife(killAt: number | null, onStep: (step: number) => void): Life {
  let steps = 0;
  let dead = false;
  let die: (error: Killed) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    die = reject;
  });
  ended.catch(() => {});
  const underWay = new Set<Promise<unknown>>();
  const check = () => {
    if (dead) throw new Killed();
  };
  return {
    ended,
    over: () => dead,
    step() {
      check();
      const step = steps++;
      onStep(step);
      if (step !== killAt) return;
      dead = true;
      die(new Killed());
      check();
    },
    guard: (cache) =>
      new Proxy(cache, {
        get(target, name: keyof Cache) {
          const value = target[name];
          if (typeof value !== 'function') return value;
          return (...args: unknown[]) => {
            check();
            const result = (value as (...args: unknown[]) => unknown)(...args);
            if (!(result instanceof Promise)) return result;
            const tracked: Promise<unknown> = result.finally(() => underWay.delete(tracked));
            tracked.catch(() => {});
            underWay.add(tracked);
            return tracked;
          };
        },
      }),
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    },
  };
}
