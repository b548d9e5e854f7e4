// The scheduler decides and never acts: it is told what finished and says what may start. Time, processes and disk are elsewhere.
import type { Allotment } from '../event.ts';
import type { Node } from '../graph/node.ts';
import type { Slots } from './slots.ts';

export interface Scheduler {
  /** Nodes whose dependencies are all done and whose verdict is now due, in order. Each is returned once. */
  takeDue(): Node[];
  /** The verdict was "run": the node waits for its slots, longest remaining path first. */
  enqueue(node: Node): void;
  /** The next queued nodes for which there are slots now. */
  takeStartable(): { node: Node; allotment: Allotment }[];
  /** A node is done (fresh, restored or ran): its dependents may become due. */
  done(node: Node): void;
  /** A node failed: everything that needs it is blocked, and returned. */
  failed(node: Node): Node[];
  /** Gives back a running node's slots. */
  release(node: Node, allotment: Allotment): void;
  /** Nodes neither done nor failed nor blocked. */
  open(): number;
}

export function createScheduler(
  nodes: readonly Node[],
  dependents: ReadonlyMap<string, readonly string[]>,
  priority: ReadonlyMap<string, number>,
  slots: Slots,
): Scheduler {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const waitingFor = new Map(nodes.map((node) => [node.name, 0]));
  for (const list of dependents.values()) for (const name of list) waitingFor.set(name, waitingFor.get(name)! + 1);
  let due = nodes.filter(({ name }) => waitingFor.get(name) === 0);
  const queue: Node[] = [];
  const closed = new Set<string>();

  const before = (a: Node, b: Node) => priority.get(b.name)! - priority.get(a.name)!;
  const close = (node: Node) => {
    closed.add(node.name);
  };
  return {
    takeDue() {
      const taken = due;
      due = [];
      return taken;
    },
    enqueue(node) {
      queue.splice(insertionPoint(queue, node, before), 0, node);
    },
    takeStartable() {
      const started: { node: Node; allotment: Allotment }[] = [];
      for (let i = 0; i < queue.length && slots.anyFree(); ) {
        const node = queue[i]!;
        const allotment = slots.take(node.resources);
        if (!allotment) {
          i++;
          continue;
        }
        queue.splice(i, 1);
        started.push({ node, allotment });
      }
      return started;
    },
    done(node) {
      close(node);
      for (const name of dependents.get(node.name) ?? []) {
        const left = waitingFor.get(name)! - 1;
        waitingFor.set(name, left);
        if (left === 0 && !closed.has(name)) due.push(byName.get(name)!);
      }
    },
    failed(node) {
      close(node);
      const blocked: Node[] = [];
      const spread = [node.name];
      for (let name = spread.pop(); name !== undefined; name = spread.pop()) {
        for (const dependent of dependents.get(name) ?? []) {
          if (closed.has(dependent)) continue;
          closed.add(dependent);
          blocked.push(byName.get(dependent)!);
          spread.push(dependent);
        }
      }
      return blocked;
    },
    release(node, allotment) {
      slots.release(allotment, node.resources);
    },
    open: () => nodes.length - closed.size,
  };
}

function insertionPoint(queue: readonly Node[], node: Node, before: (a: Node, b: Node) => number): number {
  let [low, high] = [0, queue.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(queue[middle]!, node) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
