import { describe, expect, test } from 'vitest';
import type { Node } from '../../engine/model/node.ts';
import type { Capacity } from '../../engine/model/resources.ts';
import { createScheduler, type Scheduler } from '../../engine/schedule/scheduler.ts';
import { expectedSeconds, longestPaths } from '../../engine/schedule/work.ts';
import { testNode } from '../rigs/node.ts';

/** `graph('a', 'b:a', 'c:a,b')`: b needs a, c needs a and b. */
function graph(...lines: string[]): { nodes: Node[]; dependents: Map<string, string[]> } {
  const nodes = lines.map((line) => testNode(line.split(':')[0]!));
  const dependents = new Map<string, string[]>(nodes.map(({ name }) => [name, []]));
  for (const line of lines) {
    const [name, needs] = line.split(':');
    for (const need of needs?.split(',') ?? []) dependents.get(need)!.push(name!);
  }
  return { nodes, dependents };
}

function scheduler(
  { nodes, dependents }: ReturnType<typeof graph>,
  machine: Partial<Capacity>,
  durations: Record<string, number> = {},
): Scheduler {
  const capacity = { cores: 1, memoryBytes: 1e9, gpus: [], pools: {}, ...machine };
  const seconds = expectedSeconds(nodes, ({ name }) => durations[name] ?? null);
  const paths = longestPaths(nodes, dependents, seconds);
  return createScheduler({ nodes, dependents, seconds, paths, capacity }, paths);
}

const alone = (...nodes: Node[]) => ({ nodes, dependents: new Map(nodes.map(({ name }) => [name, [] as string[]])) });

/** Queues what is due and starts what fits at this time. */
function startAt(s: Scheduler, now: number) {
  for (const node of s.takeDue()) s.enqueue(node, now);
  return s.takeStartable(now);
}

const names = (nodes: readonly Node[]) => nodes.map(({ name }) => name);

describe('the scheduler', () => {
  test('hands out a node once all that it needs is done, and only once', () => {
    const g = graph('a', 'b', 'c:a,b');
    const s = scheduler(g, { cores: 2 });
    expect(names(s.takeDue())).toEqual(['a', 'b']);
    s.done(g.nodes[0]!);
    expect(s.takeDue()).toEqual([]);
    s.done(g.nodes[1]!);
    expect(names(s.takeDue())).toEqual(['c']);
    expect(s.takeDue()).toEqual([]);
  });

  test('starts the longest remaining path first', () => {
    const g = graph('short', 'long', 'tail:long');
    const s = scheduler(g, { cores: 1 }, { short: 10, long: 5, tail: 20 });
    expect(names(startAt(s, 0).map(({ node }) => node))).toEqual(['long']);
  });

  test('a node that overran its expected time goes before a shorter path, not behind all', () => {
    const g = graph('overran', 'other', 'tail:overran');
    const s = scheduler(g, { cores: 1 }, { overran: 10, other: 12, tail: 20 });
    const [overran, other] = s.takeDue();
    s.enqueue(overran!, 0, 30);
    s.enqueue(other!, 0);
    expect(names(s.takeStartable(0).map(({ node }) => node))).toEqual(['overran']);
  });

  test('lets a small node pass a large one that does not fit yet', () => {
    const big = testNode('big', { resources: { cpu: 2 } });
    const small = testNode('small');
    const one = testNode('one');
    const s = scheduler(alone(one, big, small), { cores: 2 }, { one: 3, big: 2, small: 1 });
    expect(names(startAt(s, 0).map(({ node }) => node))).toEqual(['one', 'small']);
  });

  test('held nodes neither become due nor start; reopened they are due after each other, as they are now, done before or not', () => {
    const g = graph('a', 'b:a', 'c:b', 'd:c,e', 'e', 'f');
    const s = scheduler(g, { cores: 1 });
    const [a, b, c, d, e, f] = g.nodes as [Node, Node, Node, Node, Node, Node];
    for (const node of s.takeDue()) s.enqueue(node, 0);
    const [running] = s.takeStartable(0);
    expect(running!.node).toBe(a); // Its path is the longest; e and f are queued.
    s.release(a, running!.allotment, 1);
    s.done(a);
    s.done(b);
    expect(names(s.takeDue())).toEqual(['c']);
    s.hold(new Set(['b', 'c', 'd', 'e']));
    s.enqueue(c, 1);
    expect(names(s.takeStartable(1).map(({ node }) => node))).toEqual(['f']);
    expect(s.open()).toBe(4);
    const now = testNode('b', { params: { edited: true } });
    s.reopen([now, c, e, d]);
    expect(s.open()).toBe(5);
    expect(s.takeDue()).toEqual([now, e]);
    s.done(e);
    expect(s.takeDue()).toEqual([]);
    s.done(now);
    expect(s.takeDue()).toEqual([c]);
    s.done(c);
    expect(s.takeDue()).toEqual([d]);
    s.done(d);
    s.done(f);
    expect(s.open()).toBe(0);
  });

  test('a failure blocks all that needs it, each named once, and nothing else', () => {
    const g = graph('a', 'b:a', 'c:b', 'd:a,c', 'e');
    const s = scheduler(g, { cores: 2 });
    s.takeDue();
    expect(names(s.failed(g.nodes[0]!)).sort()).toEqual(['b', 'c', 'd']);
    expect(s.open()).toBe(1);
  });
});

test('a node without a known duration counts as the mean of its task, and where nothing is known of that, as short', () => {
  const nodes = ['train[fold=0]', 'train[fold=1]', 'train[fold=2]', 'other'].map((name) => testNode(name));
  const seconds = expectedSeconds(nodes, ({ name }) => ({ 'train[fold=0]': 100, 'train[fold=1]': 200 })[name] ?? null);
  expect(seconds.get('train[fold=2]')).toBe(150);
  expect(seconds.get('other')).toBe(60);
});

describe('a node that needs much at once', () => {
  /** Small nodes of ten seconds keep both cores busy for ever, a new one each time that one ends. */
  function passed() {
    const big = testNode('big', { resources: { cpu: 2 } });
    const small = Array.from({ length: 40 }, (_, at) => testNode(`small[i=${at}]`));
    const s = scheduler(
      alone(big, ...small),
      { cores: 2 },
      { big: 50, ...Object.fromEntries(small.map(({ name }) => [name, 10])) },
    );
    const ends: { at: number; node: Node; allotment: ReturnType<Scheduler['takeStartable']>[number]['allotment'] }[] =
      [];
    const order: string[] = [];
    // One small node holds a core from the start, out of step with the others.
    for (const node of s.takeDue()) if (node !== big) s.enqueue(node, 0);
    for (let now = 0; order.length < 41; ) {
      for (const { node, allotment } of s.takeStartable(now)) {
        order.push(node.name);
        ends.push({ at: now + (node === big ? 50 : 10 + (order.length === 1 ? 5 : 0)), node, allotment });
      }
      if (now === 0) s.enqueue(big, 0);
      ends.sort((a, b) => a.at - b.at);
      const ended = ends.shift()!;
      now = ended.at;
      s.release(ended.node, ended.allotment, now);
      s.done(ended.node);
    }
    return order.indexOf('big');
  }

  test('does not wait for ever while small ones slip in: after eight of them, what frees up is kept for it', () => {
    const at = passed();
    expect(at).toBeGreaterThanOrEqual(8);
    expect(at).toBeLessThanOrEqual(12);
  });

  test('is not delayed by what ends before it could start, which may still start', () => {
    const big = testNode('big', { resources: { gpu: 2 } });
    const long = testNode('long', { resources: { gpu: 1 } });
    const filler = Array.from({ length: 12 }, (_, at) => testNode(`filler[i=${at}]`, { resources: { gpu: 1 } }));
    const late = testNode('late', { resources: { gpu: 1 } });
    const cheap = testNode('cheap');
    const g = alone(long, big, late, cheap, ...filler);
    const fillers = Object.fromEntries(filler.map(({ name }) => [name, 10]));
    const s = scheduler(g, { cores: 20, gpus: [0, 1] }, { long: 1000, big: 999, late: 990, cheap: 5000, ...fillers });
    const due = new Map(s.takeDue().map((node) => [node.name, node]));
    s.enqueue(due.get('long')!, 0);
    const [first] = s.takeStartable(0);
    s.enqueue(big, 0);
    for (const node of filler) s.enqueue(node, 0);
    let now = 0;
    for (const _ of filler) {
      const [started] = s.takeStartable(now);
      expect(started?.node.task).toBe('filler'); // Each ends before `long` does.
      now += 10;
      s.release(started!.node, started!.allotment, now);
      s.done(started!.node);
    }
    s.enqueue(late, now); // Would hold a GPU beyond the end of `long`.
    s.enqueue(cheap, now); // Needs nothing that `big` waits for.
    expect(names(s.takeStartable(now).map(({ node }) => node))).toEqual(['cheap']);
    s.release(first!.node, first!.allotment, 1000);
    s.done(first!.node);
    expect(names(s.takeStartable(1000).map(({ node }) => node))).toEqual(['big']);
  });
});

test('a queue of 20,000 nodes behind a pool of one is not searched through each time that one of them ends', () => {
  let asked = 0;
  const resources = { cpu: 1, memoryBytes: 0, gpu: 0, gpuOptional: false, preemptible: false as const };
  const nodes = Array.from({ length: 20_000 }, (_, at) => {
    const pools = { disk: 1 };
    const node = testNode(`n[i=${at}]`, { resources: { ...resources, pools } });
    // Whoever looks whether a node fits reads what it takes of pools.
    const get = () => {
      asked++;
      return pools;
    };
    Object.defineProperty(node.resources, 'pools', { get });
    return node;
  });
  const s = scheduler(alone(...nodes), { cores: 2, pools: { disk: 1 } });
  for (const node of s.takeDue()) s.enqueue(node, 0);
  let ran = 0;
  for (let now = 1; s.open() > 0; now++) {
    for (const { node, allotment } of s.takeStartable(now)) {
      s.release(node, allotment, now);
      s.done(node);
      ran++;
    }
  }
  expect(ran).toBe(20_000);
  expect(asked / 20_000).toBeLessThan(10);
});
