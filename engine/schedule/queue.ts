// Nodes that wait for slots. Those with equal needs stand in one line: when the first of a line does not fit, none behind it is
// asked, so that thousands behind a pool of one cost nothing.
import type { Node } from '../model/node.ts';
import type { Resources } from '../model/resources.ts';

export interface QueueLine {
  readonly resources: Resources;
  /** The first so many that wait, in the order in which they will start. */
  waiting(most: number): readonly Node[];
}

export interface Queue {
  /** Higher priorities first, equals in the order in which they came. */
  add(node: Node, priority: number): void;
  /** Of all lines but these, the one whose first comes first; null when none is left. */
  next(except: ReadonlySet<QueueLine>): { readonly line: QueueLine; readonly node: Node } | null;
  takeFirst(line: QueueLine): void;
  remove(names: ReadonlySet<string>): void;
  /** The lines in which somebody waits. */
  lines(): QueueLine[];
}

interface Waiting {
  readonly node: Node;
  readonly priority: number;
  /** How many came before. */
  readonly order: number;
}

interface Standing extends QueueLine {
  list: Waiting[];
  /** Those before this index have left: to shift a long list for each would cost its length. */
  first: number;
}

const LEFT_AT_MOST = 1024;

export function createQueue(): Queue {
  const lines = new Map<string, Standing>();
  let count = 0;
  return {
    add(node, priority) {
      const id = needsOf(node.resources);
      const line = lines.get(id) ?? newLine(node.resources);
      lines.set(id, line);
      const entry = { node, priority, order: count++ };
      line.list.splice(insertionPoint(line, entry), 0, entry);
    },
    next(except) {
      let best: Standing | null = null;
      for (const line of lines.values()) {
        const first = line.list[line.first];
        if (!first || except.has(line)) continue;
        if (!best || isBefore(first, best.list[best.first]!)) best = line;
      }
      return best && { line: best, node: best.list[best.first]!.node };
    },
    takeFirst(line) {
      const standing = line as Standing;
      standing.first++;
      if (standing.first < LEFT_AT_MOST || standing.first < standing.list.length / 2) return;
      standing.list.splice(0, standing.first);
      standing.first = 0;
    },
    remove(names) {
      for (const line of lines.values()) {
        line.list = line.list.slice(line.first).filter(({ node }) => !names.has(node.name));
        line.first = 0;
      }
    },
    lines: () => [...lines.values()].filter(({ first, list }) => first < list.length),
  };
}

const needsOf = ({ cpu, memoryBytes, gpu, gpuOptional, pools }: Resources) =>
  JSON.stringify([cpu, memoryBytes, gpu, gpuOptional, pools]);

function newLine(resources: Resources): Standing {
  const line: Standing = {
    resources,
    list: [],
    first: 0,
    waiting: (most) => line.list.slice(line.first, line.first + most).map(({ node }) => node),
  };
  return line;
}

const isBefore = (a: Waiting, b: Waiting) =>
  a.priority > b.priority || (a.priority === b.priority && a.order < b.order);

function insertionPoint({ list, first }: Standing, entry: Waiting): number {
  let [low, high] = [first, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(list[middle]!, entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}
