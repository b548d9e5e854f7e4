// A run rehearsed: the scheduler itself with a clock that jumps. It tells how long a run takes, and finds a better order
// where the plain rule (longest remaining path first) leaves GPUs idle at the end, as it does when few long nodes meet many
// GPUs: orders near to it are tried, and the best is kept. Nothing is left to chance: the same run gets the same order.
import type { Allotment } from '../event.ts';
import type { Node } from '../graph/node.ts';
import { createScheduler } from './scheduler.ts';
import { type Capacity, createSlots } from './slots.ts';

/** What is to run. `nodes` in an order in which they can run. */
export interface Rehearsal {
  readonly nodes: readonly Node[];
  readonly dependents: ReadonlyMap<string, readonly string[]>;
  readonly seconds: ReadonlyMap<string, number>;
  readonly capacity: Capacity;
}

type Priority = ReadonlyMap<string, number>;

const MOST_NODES = 1000;
const TRIES = 1500;
const GOOD_ENOUGH = 1.01;
/** By how much a priority is moved at most, as a part of itself. */
const STEPS = [0.05, 0.15, 0.4];

/** Seconds from the first start to the last end. */
export function simulate({ nodes, dependents, seconds, capacity }: Rehearsal, priority: Priority): number {
  const scheduler = createScheduler(nodes, dependents, priority, createSlots(capacity));
  const running: { node: Node; allotment: Allotment; end: number }[] = [];
  for (let now = 0; ; ) {
    for (const node of scheduler.takeDue()) scheduler.enqueue(node);
    for (const { node, allotment } of scheduler.takeStartable())
      running.push({ node, allotment, end: now + seconds.get(node.name)! });
    if (running.length === 0) return now;
    const first = running.reduce((best, one, index) => (one.end < running[best]!.end ? index : best), 0);
    const [ended] = running.splice(first, 1);
    now = ended!.end;
    scheduler.release(ended!.node, ended!.allotment);
    scheduler.done(ended!.node);
  }
}

/** A priority at least as good as `paths`. `boundSeconds`: what no order beats. */
export function bestOrder(rehearsal: Rehearsal, paths: Priority, boundSeconds: number): Priority {
  const { nodes, capacity } = rehearsal;
  if (nodes.length > MOST_NODES || capacity.gpus.length < 2) return paths;
  let best = { priority: paths, seconds: simulate(rehearsal, paths) };
  const random = randomNumbers();
  for (let tried = 0; tried < TRIES && best.seconds > boundSeconds * GOOD_ENOUGH; tried++) {
    const step = STEPS[tried % STEPS.length]!;
    const moved = [...best.priority].map(([name, value]) => [name, value * (1 + step * (random() - 0.5))] as const);
    const priority = new Map(moved);
    const seconds = simulate(rehearsal, priority);
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
