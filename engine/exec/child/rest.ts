// When work on this thread is over: it has settled, and nothing is open any more that it started, as Node itself sees it before it
// ends a program (`beforeExit`): handles, requests, children, timers, threads. So the channel to the engine is let go while work
// is under way, and what is at rest is told that, instead of Node's ending the process. Work that has not settled by then never will.
//
// Within the task there are items of `ctx.each`. They come to rest before it, and what the engine itself waits for holds up the
// task alone. An item that started anything waits for all that is open on its thread, for it cannot be told whose that is: where
// it may be the task's (`isCrowded`), items are done on another thread.
import { AsyncResource } from 'node:async_hooks';
import { setTimeout as startTimer } from 'node:timers';
import { setTimeout } from 'node:timers/promises';
import { whatIsOpen } from './open.ts';

export interface Rest {
  /** What `work` gives, once it is over. Rejects at once with what it throws, then or later, or when it can never settle. */
  item<T>(work: () => T | Promise<T>, whenLate: WhenLate): Promise<T>;
  /** An item here had started something, and was waited for. */
  hasWaited(): boolean;
  /** Between items: something is open that none of them started, and that does not go away in a moment. */
  isCrowded(): Promise<boolean>;
  /** Waits for what comes by a channel that is let go. */
  hold<T>(coming: Promise<T>): Promise<T>;
}

export interface ThreadRest extends Rest {
  task<T>(work: () => T | Promise<T>, whenLate: WhenLate): Promise<T>;
  /** What `mayCome` told of has come by the channel. */
  goOn(): void;
}

/** Told once, some time after `work` has settled, what is still open. */
type WhenLate = (open: string) => void;

/** It keeps the thread from ending while there is no work. */
interface Channel {
  ref(): void;
  unref(): void;
}

interface Waiter {
  /** Nothing is open any more. */
  rest(): void;
  fail(thrown: unknown): void;
}

const LATE_MS = 3000;
const MOST_LOOKS = 5;
const LOOK_AGAIN_MS = 2;

/**
 * `onStray` is given what is thrown where no work is under way. `mayCome` says whether the channel may yet bring what lets work
 * settle that nothing else can.
 */
export function createRest(
  channel: Channel,
  onStray: (thrown: unknown) => void,
  mayCome: () => boolean = () => false,
): ThreadRest {
  const items = new Set<Waiter>();
  const tasks = new Set<Waiter>();
  let held = 0;
  let hasWaited = false;

  const letGo = () => (items.size + tasks.size > 0 ? channel.unref() : channel.ref());
  const until = <T>(group: Set<Waiter>, work: () => T | Promise<T>, whenLate: WhenLate) =>
    new Promise<T>((resolve, reject) => {
      let settled: { value: T } | null = null;
      let waits = false;
      let late: NodeJS.Timeout | undefined;
      const leave = () => {
        clearTimeout(late);
        group.delete(waiter);
        letGo();
      };
      const waiter: Waiter = {
        rest() {
          if (!settled && mayCome()) return;
          leave();
          if (!settled) reject(failure(NEVER_SETTLES));
          else if (process.exitCode) reject(failure(`it set process.exitCode = ${process.exitCode}`));
          else resolve(settled.value);
        },
        fail(thrown) {
          leave();
          reject(thrown);
        },
      };
      const watch = () => {
        if (waits && settled && group.has(waiter)) late = startTimer(() => whenLate(whatIsOpen()), LATE_MS).unref();
      };
      const wait = () => {
        waits = true;
        letGo();
        watch();
      };
      group.add(waiter);
      const begun = group === items ? startedSoFar() : null;
      (async () => work())().then((value) => {
        settled = { value };
        watch();
      }, waiter.fail);
      if (begun === null) return wait();
      // All that goes on without an event has then been done.
      process.nextTick(() => {
        // In a turn of its own, since rejections that nobody handles are told at the end of this one.
        if (settled && startedSoFar() === begun + OWN) return setImmediate(waiter.rest);
        hasWaited = true;
        wait();
      });
    });

  onEmptyLoop(() => {
    const over = items.size > 0 ? items : held > 0 ? NOBODY : tasks;
    if (over === tasks && tasks.size === 0) return false;
    channel.ref();
    // In a turn of its own: what is let go again before this one ends would end the process.
    if (over.size > 0) {
      setImmediate(() => {
        for (const waiter of over) waiter.rest();
      });
    }
    return true;
  });
  onUncaught((thrown) => {
    const work = items.size > 0 ? items : tasks;
    if (work.size === 0) onStray(thrown);
    for (const waiter of work) waiter.fail(thrown);
  });
  return {
    item: (work, whenLate) => until(items, work, whenLate),
    task: (work, whenLate) => until(tasks, work, whenLate),
    goOn: letGo,
    hasWaited: () => hasWaited,
    async isCrowded() {
      // LMDB has timers of a moment after reads and writes.
      for (let looks = 1; process.getActiveResourcesInfo().length > 0; looks++) {
        if (looks > MOST_LOOKS) return true;
        await setTimeout(LOOK_AGAIN_MS);
      }
      return false;
    },
    async hold(coming) {
      held++;
      try {
        return await coming;
      } finally {
        held--;
        letGo();
      }
    },
  };
}

const NOBODY: ReadonlySet<Waiter> = new Set();
const NEVER_SETTLES =
  'it awaits what can never happen: nothing is open any more that could settle it (Node ends such a program with exit code 13)';

/** Where it was found out says nothing to a person. */
const failure = (message: string) => Object.assign(new Error(message), { stack: message });

/** Node numbers whatever may have an event: requests, handles, timers, ticks. */
const startedSoFar = () => new AsyncResource('dag').asyncId();
/** Of its numbers: the tick in which it is asked again, and this. */
const OWN = 2;

/** Where `rests` says true, the task's own listeners do not hear of it: for them the program has not come to its end. */
function onEmptyLoop(rests: () => boolean): void {
  const emit = process.emit as (...words: unknown[]) => boolean;
  process.emit = ((...words: unknown[]) =>
    (words[0] === 'beforeExit' && rests()) || emit.apply(process, words)) as typeof process.emit;
}

/** But not where the task has listeners of its own: then it is handled, as Node has it. */
function onUncaught(hear: (thrown: unknown) => void): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (thrown: unknown) => {
      if (process.listenerCount(event) === 1) hear(thrown);
    });
  }
}
