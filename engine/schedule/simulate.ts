// A run rehearsed: the scheduler itself with a clock that jumps. It tells how long a run takes, and finds a better order
// where the plain rule (longest remaining path first) leaves GPUs idle at the end, as it does when few long nodes that cannot
// be cut meet many GPUs: orders near to it are tried, and the best is kept. Nothing is left to chance: the same run gets the
// same order.
import type { Node } from '../model/node.ts';
import type { Allotment } from '../model/resources.ts';
import { createScheduler } from './scheduler.ts';
import type { Work } from './work.ts';

type Priority = ReadonlyMap<string, number>;

const MOST_NODES = 1000;
const TRIES = 1500;
const GOOD_ENOUGH = 1.01;
/** By how much a priority is moved at most, as a part of itself. */
const STEPS = [0.05, 0.15, 0.4];

/** What it costs to give way and go on later: a safe point, a new process, a checkpoint to read. */
const MOVE_SECONDS = 60;
/** Not to look at the same instant twice, where rounding would have it. */
const TICK_SECONDS = 1e-3;

/** `seconds` from the first start to the last end, and how often a node gave way. */
export function simulate(work: Work, priority: Priority): { seconds: number; moves: number } {
  const scheduler = createScheduler(work, priority);
  const running = new Map<string, { node: Node; allotment: Allotment; end: number }>();
  const lost = new Map<string, number>();
  const ran = new Map<string, number>();
  let moves = 0;
  for (let now = 0; ; ) {
    for (const node of scheduler.takeDue()) scheduler.enqueue(node, now);
    for (const { node, allotment } of scheduler.takeStartable(now)) {
      const left = work.seconds.get(node.name)! + (lost.get(node.name) ?? 0) - (ran.get(node.name) ?? 0);
      running.set(node.name, { node, allotment, end: now + left });
    }
    const { requests, againInSeconds } = scheduler.takeYieldRequests(now);
    for (const { node } of requests) {
      const { allotment, end } = running.get(node.name)!;
      running.delete(node.name);
      moves++;
      lost.set(node.name, (lost.get(node.name) ?? 0) + MOVE_SECONDS);
      ran.set(node.name, work.seconds.get(node.name)! + lost.get(node.name)! - MOVE_SECONDS - (end - now));
      scheduler.release(node, allotment, now);
      scheduler.enqueue(node, now);
    }
    if (requests.length > 0) continue;
    if (running.size === 0) return { seconds: now, moves };
    const first = [...running.values()].reduce((best, one) => (one.end < best.end ? one : best));
    const look = againInSeconds === null ? Number.POSITIVE_INFINITY : now + Math.max(againInSeconds, TICK_SECONDS);
    now = Math.min(first.end, look);
    if (look < first.end) continue;
    running.delete(first.node.name);
    scheduler.release(first.node, first.allotment, now);
    scheduler.done(first.node);
  }
}

/** A priority at least as good as the longest paths. `boundSeconds`: what no order beats. */
export function bestOrder(work: Work, boundSeconds: number): Priority {
  const { nodes, paths, capacity } = work;
  if (nodes.length > MOST_NODES || capacity.gpus.length < 2) return paths;
  // Who can be cut fills what would be idle: there is nothing to search for.
  if (nodes.some(({ resources }) => resources.preemptible !== false)) return paths;
  let best = { priority: paths, seconds: simulate(work, paths).seconds };
  const random = randomNumbers();
  for (let tried = 0; tried < TRIES && best.seconds > boundSeconds * GOOD_ENOUGH; tried++) {
    const step = STEPS[tried % STEPS.length]!;
    const moved = [...best.priority].map(([name, value]) => [name, value * (1 + step * (random() - 0.5))] as const);
    const priority = new Map(moved);
    const { seconds } = simulate(work, priority);
    // First near to the plain rule; then of equals the newer, since who only moves for the better stays where he is.
    if (seconds < best.seconds || (seconds === best.seconds && tried > TRIES / 2)) best = { priority, seconds };
  }
  return best.priority;
}

/** Between 0 and 1, always the same ones (mulberry32). */
function randomNumbers(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
