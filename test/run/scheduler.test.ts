import { describe, expect, test } from 'vitest';
import type { Node } from '../../engine/graph/node.ts';
import { remainingPaths } from '../../engine/run/priority.ts';
import { createScheduler } from '../../engine/run/scheduler.ts';
import { createSlots } from '../../engine/run/slots.ts';
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
  cores: number,
  seconds: Record<string, number> = {},
) {
  const priority = remainingPaths(nodes, dependents, ({ name }) => seconds[name] ?? null);
  return createScheduler(nodes, dependents, priority, createSlots({ cores, memoryBytes: 1e9, gpus: [], pools: {} }));
}

const names = (nodes: readonly Node[]) => nodes.map(({ name }) => name);

describe('the scheduler', () => {
  test('hands out a node once all that it needs is done, and only once', () => {
    const g = graph('a', 'b', 'c:a,b');
    const s = scheduler(g, 2);
    expect(names(s.takeDue())).toEqual(['a', 'b']);
    s.done(g.nodes[0]!);
    expect(s.takeDue()).toEqual([]);
    s.done(g.nodes[1]!);
    expect(names(s.takeDue())).toEqual(['c']);
    expect(s.takeDue()).toEqual([]);
  });

  test('starts the longest remaining path first', () => {
    const g = graph('short', 'long', 'tail:long');
    const s = scheduler(g, 1, { short: 10, long: 5, tail: 20 });
    s.takeDue().forEach(s.enqueue);
    expect(names(s.takeStartable().map(({ node }) => node))).toEqual(['long']);
  });

  test('lets a small node pass a large one that does not fit yet', () => {
    const big = testNode('big', { resources: { cpu: 2 } });
    const small = testNode('small');
    const one = testNode('one');
    const nodes = [one, big, small];
    const dependents = new Map(nodes.map(({ name }) => [name, [] as string[]]));
    const s = createScheduler(
      nodes,
      dependents,
      new Map([
        ['one', 3],
        ['big', 2],
        ['small', 1],
      ]),
      createSlots({ cores: 2, memoryBytes: 0, gpus: [], pools: {} }),
    );
    s.takeDue().forEach(s.enqueue);
    expect(names(s.takeStartable().map(({ node }) => node))).toEqual(['one', 'small']);
  });

  test('a failure blocks all that needs it, each named once, and nothing else', () => {
    const g = graph('a', 'b:a', 'c:b', 'd:a,c', 'e');
    const s = scheduler(g, 2);
    s.takeDue();
    expect(names(s.failed(g.nodes[0]!)).sort()).toEqual(['b', 'c', 'd']);
    expect(s.open()).toBe(1);
  });
});

test('a node without a known duration counts as the mean of its task', () => {
  const nodes = [testNode('train[fold=0]'), testNode('train[fold=1]'), testNode('other')];
  const paths = remainingPaths(nodes, new Map(), ({ name }) =>
    name === 'train[fold=0]' ? 100 : name === 'other' ? 1 : null,
  );
  expect(paths.get('train[fold=1]')).toBe(100);
});
