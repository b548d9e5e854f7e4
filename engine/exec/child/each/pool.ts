// Spreads the items of `ctx.each` over threads. The task's own thread begins: a tenth of a second shows what an item costs, and so
// how many more threads, each worth some 0.2 s of starting, the rest deserves, and how many items make a batch. It goes on beside
// them: its code is warm, theirs is not. Where the task has something else open, it does none, since it could not tell when an item is
// over (rest.ts). Answers come in whatever order; the caller sorts them by index.

import { setImmediate } from 'node:timers/promises';
import { Worker as Thread } from 'node:worker_threads';
import type { Rest } from '../rest.ts';
import type { Doer, FromThread, ItemDone, ItemFailed, ItemSetup, ItemTask } from './item.ts';

export interface PoolWork {
  readonly setup: ItemSetup;
  /** Does items on this thread. */
  readonly here: Doer;
  /** What threads run: a file that calls `serveItems`. */
  readonly program: string;
  readonly cores: number;
  readonly signal: AbortSignal;
  readonly rest: Rest;
  warn(message: string): void;
  readonly count: number;
  /** What of the environment the task's code read in a thread. */
  hearVariables(names: readonly string[]): void;
  task(at: number): ItemTask;
  /** Called once a batch; what it took is durable soon after. */
  take(done: readonly ItemDone[]): void;
}

const SLICE_MS = 100;
/** Long enough to make handing over cheap, short enough to lose little by a kill. */
const BATCH_MS = 25;
/** Where items wait for all that is open, they wait for the batch before to be written, too. */
const WAITING_BATCH_MS = 100;
const MAX_BATCH = 1000;
const WORTH_A_THREAD_MS = 300;
/** One in work, one waiting. */
const AHEAD = 2;

/** Rejects with the first failure of an item or with the signal's reason, after what was under way has been taken. */
export async function doItems(work: PoolWork): Promise<void> {
  const queue = createQueue(work);
  await workHere(work, queue, SLICE_MS);
  const worth = Math.min(Math.floor(work.cores), Math.ceil((queue.left() * queue.itemMs()) / WORTH_A_THREAD_MS));
  if (worth > 1) await workBeside(work, queue, work.rest.hasWaited() ? worth : worth - 1);
  else await workHere(work, queue, Number.POSITIVE_INFINITY);
  if (queue.goesOn()) await workBeside(work, queue, 1);
  queue.throwIfFailed();
  work.signal.throwIfAborted();
}

async function workHere(work: PoolWork, queue: Queue, forMs: number): Promise<void> {
  for (const endMs = performance.now() + forMs; queue.goesOn() && performance.now() < endMs; ) {
    await setImmediate(); // Lets a signal in, and the answers of threads.
    if (await work.rest.isCrowded()) return;
    const begunMs = performance.now();
    if (queue.goesOn()) queue.take(await work.here(queue.next()), performance.now() - begunMs);
  }
}

interface Queue {
  left(): number;
  /** There is more to give, and no reason to stop. */
  goesOn(): boolean;
  next(): ItemTask[];
  take(answers: readonly (ItemDone | ItemFailed)[], ms: number): void;
  /** What an item costs by the last batch; 0 before the first. */
  itemMs(): number;
  throwIfFailed(): void;
}

function createQueue(work: PoolWork): Queue {
  let at = 0;
  let itemMs = 0;
  let failure: ItemFailed['error'] | null = null;
  return {
    left: () => work.count - at,
    goesOn: () => at < work.count && !failure && !work.signal.aborted,
    next() {
      const batchMs = work.rest.hasWaited() ? WAITING_BATCH_MS : BATCH_MS;
      const size = itemMs === 0 ? 1 : Math.max(1, Math.min(MAX_BATCH, Math.round(batchMs / itemMs)));
      const end = Math.min(work.count, at + size);
      const tasks: ItemTask[] = [];
      while (at < end) tasks.push(work.task(at++));
      return tasks;
    },
    take(answers, ms) {
      const done: ItemDone[] = [];
      for (const answer of answers) {
        if ('error' in answer) failure ??= answer.error;
        else done.push(answer);
      }
      // A floor, so that a clock that did not move is not taken for no work done yet.
      if (answers.length > 0) itemMs = Math.max(1e-3, ms / answers.length);
      if (done.length > 0) work.take(done);
    },
    itemMs: () => itemMs,
    throwIfFailed() {
      if (!failure) return;
      const { name, message, stack } = failure;
      throw Object.assign(new Error(message), { name, stack });
    },
  };
}

async function workBeside(work: PoolWork, queue: Queue, count: number): Promise<void> {
  const threads = Array.from({ length: count }, () => new Thread(work.program, { workerData: work.setup }));
  // Towards the end nobody gets an item to wait for while another has none.
  const ahead = () => (queue.left() > count + 1 ? AHEAD : 1);
  try {
    const busy = threads.map((thread) => feed(thread, queue, ahead, work));
    // What threads have done is being written meanwhile, and an item that is waited for would wait for that too.
    if (!work.rest.hasWaited()) busy.push(workHere(work, queue, Number.POSITIVE_INFINITY));
    await work.rest.hold(Promise.all(busy));
  } finally {
    for (const thread of threads) thread.removeAllListeners();
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

/** Resolves when the thread has answered all that it was given and there is nothing more to give, or when it is lost. */
type Hearer = Pick<PoolWork, 'warn' | 'hearVariables'>;

function feed(thread: Thread, queue: Queue, ahead: () => number, { warn, hearVariables }: Hearer): Promise<void> {
  return new Promise((resolve, reject) => {
    const given: ItemTask[][] = [];
    const giveMore = () => {
      while (given.length < ahead() && queue.goesOn()) {
        const tasks = queue.next();
        given.push(tasks);
        thread.postMessage(tasks);
      }
      if (given.length === 0) resolve();
    };
    thread.on('message', (message: FromThread) => {
      try {
        if (message.type === 'warn') return warn(message.message);
        if (message.type === 'answers') {
          given.shift();
          hearVariables(message.variables);
          queue.take(message.answers, message.ms);
        }
        giveMore();
      } catch (error) {
        reject(error);
      }
    });
    const lost = (why: string) => {
      const first = given[0]?.[0];
      const message = `a worker thread ended${first === undefined ? '' : ` at or after ${first.key}`}: ${why}`;
      queue.take([{ index: first?.index ?? -1, error: { name: 'Error', message, stack: message } }], 0);
      resolve();
    };
    thread.on('error', (error) => lost(error instanceof Error ? error.message : String(error)));
    thread.on('exit', (code) => lost(`exit code ${code}`));
    // An item here does not wait for it.
    thread.unref();
  });
}
