// The scheduler decides and never acts: it is told what finished and says what may start, and who is to give way to whom.
// Clock, processes and disk are elsewhere: it is told the time in seconds.
//
// What waits longest-path-first may pass a node that does not fit, but not for ever: once so many have passed the first in
// the queue, what frees up is kept for it. Others start only where they end before it could, or take nothing that it needs.
import { reach } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import type { Allotment } from '../model/resources.ts';
import { createLowerBound } from './lowerBound.ts';
import { type Advice, adviseYields, shortestTurn } from './preempt.ts';
import { createQueue, type QueueLine } from './queue.ts';
import { createSlots } from './slots.ts';
import { createTurns, type Turn } from './turns.ts';
import type { Work } from './work.ts';

export interface Scheduler {
  /** Nodes whose dependencies are all done and whose verdict is now due, in order. Each is returned once. */
  takeDue(): Node[];
  /** The verdict was "run", or the node gave way: it waits for its slots. `ranSeconds`: what it ran before this run. */
  enqueue(node: Node, now: number, ranSeconds?: number): void;
  /** The next queued nodes for which there are slots now. */
  takeStartable(now: number): { node: Node; allotment: Allotment }[];
  /** Running nodes that are to give way now: each is returned once a turn. */
  takeYieldRequests(now: number): Advice;
  /** A node is done (fresh, restored or ran): its dependents may become due. */
  done(node: Node): void;
  /** A node failed: everything that needs it is blocked, and returned. */
  failed(node: Node): Node[];
  /** None of these nodes becomes due or starts until they are reopened. */
  hold(names: ReadonlySet<string>): void;
  /** Held nodes, none of which runs, become due again, after each other: with a node all that need it, and as they are now. */
  reopen(nodes: readonly Node[]): void;
  /** Gives back a running node's slots. */
  release(node: Node, allotment: Allotment, now: number): void;
  /** Nodes neither done nor failed nor blocked. */
  open(): number;
}

/** So many may pass the first in the queue. */
const PASSED_AT_MOST = 8;

/** `priority`: the higher, the earlier; in seconds, as the longest path is. */
export function createScheduler(work: Work, priority: ReadonlyMap<string, number>): Scheduler {
  const { nodes, dependents, seconds, paths, capacity } = work;
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const waitingFor = new Map(nodes.map((node) => [node.name, 0]));
  for (const list of dependents.values()) for (const name of list) waitingFor.set(name, waitingFor.get(name)! + 1);
  let due = nodes.filter(({ name }) => waitingFor.get(name) === 0);
  const queue = createQueue();
  const slots = createSlots(capacity);
  const turns = createTurns(seconds, paths);
  const closed = new Set<string>();
  const held = new Set<string>();
  const passed = new Map<string, number>();
  /** Who was asked to give way, for whom, and until when that node counts on it. */
  const asked = new Map<string, { readonly to: string; readonly until: number }>();
  const mayGiveWay = nodes.some(({ resources }) => resources.preemptible !== false);
  const open = createLowerBound(work);
  for (const node of nodes) open.add(node, seconds.get(node.name)!);

  const close = (node: Node) => {
    closed.add(node.name);
    turns.forget(node.name);
    open.add(node, -seconds.get(node.name)!);
  };
  const start = (line: QueueLine, node: Node, allotment: Allotment, now: number) => {
    queue.takeFirst(line);
    turns.begin(node, allotment, now);
    passed.delete(node.name);
    return { node, allotment };
  };
  /** Slots for a node that must not delay `head`; see the file's opening. */
  const takeBeside = (head: Node, node: Node, now: number): Allotment | null => {
    const endsIn = ({ node: { name } }: Turn) => (asked.has(name) ? 0 : turns.left(name, now));
    const ending = [...turns.running()].sort((a, b) => endsIn(a) - endsIn(b));
    const last = ending.findIndex((_, at) => slots.fits(head.resources, ending.slice(0, at + 1)));
    const allotment = slots.take(node.resources);
    if (!allotment || last < 0) return allotment;
    const gone = ending.slice(0, last + 1);
    if (turns.left(node.name, now) <= endsIn(ending[last]!) || slots.fits(head.resources, gone)) return allotment;
    slots.release(allotment, node.resources);
    return null;
  };
  /** Seconds that all that is open takes at least. */
  const leftSeconds = (waiting: readonly Node[], now: number) => {
    const longest = [...waiting, ...turns.running().map(({ node }) => node)].reduce(
      (most, { name }) => Math.max(most, turns.pathLeft(name, now)),
      0,
    );
    const spent = createLowerBound(work);
    for (const name of turns.begun())
      if (!closed.has(name)) spent.add(byName.get(name)!, seconds.get(name)! - turns.left(name, now));
    return Math.max(longest, open.atLeast(spent));
  };
  return {
    takeDue() {
      const taken = due;
      due = [];
      return taken.filter(({ name }) => !closed.has(name));
    },
    enqueue(node, now, ranSeconds) {
      if (held.has(node.name)) return;
      if (ranSeconds !== undefined) turns.credit(node.name, ranSeconds);
      // Not less what it ran: one that overran its time is nearly done, and all that waits for it still waits.
      queue.add(node, priority.get(node.name)! - (seconds.get(node.name)! - turns.left(node.name, now)));
    },
    takeStartable(now) {
      const started: { node: Node; allotment: Allotment }[] = [];
      const stuck = new Set<QueueLine>();
      let head: Node | null = null;
      for (let next = queue.next(stuck); next && slots.anyFree(); next = queue.next(stuck)) {
        const { line, node } = next;
        const isHeld = head !== null && passed.get(head.name)! >= PASSED_AT_MOST;
        const allotment = isHeld ? takeBeside(head!, node, now) : slots.take(node.resources);
        if (!allotment) {
          stuck.add(line);
          head ??= node;
          if (!passed.has(head.name)) passed.set(head.name, 0);
          continue;
        }
        if (head) passed.set(head.name, passed.get(head.name)! + 1);
        started.push(start(line, node, allotment, now));
      }
      return started;
    },
    takeYieldRequests(now) {
      if (!mayGiveWay) return { requests: [], againInSeconds: null };
      const running = turns.running();
      const promised = new Set([...asked.values()].filter(({ until }) => until > now).map(({ to }) => to));
      const first = queue.lines().flatMap((line) => line.waiting(running.length + promised.size));
      const advice = adviseYields({
        waiting: first.filter(({ name }) => !promised.has(name)),
        askable: running.filter(({ node }) => node.resources.preemptible !== false && !asked.has(node.name)),
        turns,
        slots,
        leftSeconds: leftSeconds(first, now),
        now,
      });
      for (const { node, to } of advice.requests)
        asked.set(node.name, { to: to.name, until: now + shortestTurn(node, turns, now) });
      return advice;
    },
    done(node) {
      close(node);
      for (const name of dependents.get(node.name) ?? []) {
        const left = waitingFor.get(name)! - 1;
        waitingFor.set(name, left);
        if (left === 0 && !closed.has(name) && !held.has(name)) due.push(byName.get(name)!);
      }
    },
    failed(node) {
      close(node);
      const waiting = (name: string) => (dependents.get(name) ?? []).filter((one) => !closed.has(one));
      const blocked = [...reach(waiting(node.name), waiting)].map((name) => byName.get(name)!);
      for (const one of blocked) close(one);
      return blocked;
    },
    hold(names) {
      for (const name of names) held.add(name);
      due = due.filter(({ name }) => !names.has(name));
      queue.remove(names);
    },
    reopen(again) {
      for (const node of again) {
        byName.set(node.name, node);
        waitingFor.set(node.name, 0);
        held.delete(node.name);
        turns.forget(node.name);
        if (closed.delete(node.name)) open.add(node, seconds.get(node.name)!);
      }
      const names = new Set(again.map(({ name }) => name));
      for (const [name, list] of dependents) {
        if (closed.has(name)) continue;
        for (const one of list) if (names.has(one)) waitingFor.set(one, waitingFor.get(one)! + 1);
      }
      for (const node of again) if (waitingFor.get(node.name) === 0) due.push(node);
    },
    release(node, allotment, now) {
      slots.release(allotment, node.resources);
      turns.end(node.name, now);
      asked.delete(node.name);
      if (closed.has(node.name)) turns.forget(node.name);
    },
    open: () => nodes.length - closed.size,
  };
}
