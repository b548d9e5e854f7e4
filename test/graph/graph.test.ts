// The graph's operations, against their definitions on random layered pipelines, and its pictures.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildGraph } from '../../engine/graph/graph.ts';
import { dependentOn, needsOf, reach, topological } from '../../engine/graph/order.ts';
import { renderGraph } from '../../engine/picture/render.ts';
import { load } from '../load/rig.ts';

/** Task i may need any earlier task; written in a shuffled order. */
const random = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 12 })
  .chain((needs) =>
    fc.shuffledSubarray([...needs.keys()], { minLength: needs.length }).map((order) => ({ needs, order })),
  )
  .map(({ needs, order }) => {
    const task = (i: number) => {
      const producers = i === 0 ? [] : [...new Set(needs[i]!.map((n) => n % i))];
      const reads = producers.map((p) => `"\${t${p}.o}"`).join(', ');
      return `  t${i}: { run: "true", in: { i: [${reads}] }, out: { o: out/${i} } }`;
    };
    return load(`tasks:\n${order.map(task).join('\n')}`);
  });

test('in topological order everything comes after what it needs, and everything comes once', () => {
  fc.assert(
    fc.property(random, (pipeline) => {
      const order = topological(pipeline);
      expect([...order].sort()).toEqual(pipeline.nodes.map((node) => node.name).sort());
      const position = new Map(order.map((name, i) => [name, i]));
      for (const node of pipeline.nodes)
        for (const need of needsOf(node)) expect(position.get(need)!).toBeLessThan(position.get(node.name)!);
    }),
    { numRuns: 60 },
  );
});

test('what a node needs, and what needs it, are what graphology finds on the same edges', () => {
  fc.assert(
    fc.property(random, ({ nodes, ...pipeline }) => {
      const graph = buildGraph({ ...pipeline, nodes });
      const needs = new Map(nodes.map((node) => [node.name, needsOf(node)]));
      for (const { name } of nodes) {
        const needed = reach([name], (one) => needs.get(one)!);
        const dependents = dependentOn(new Set([name]), nodes);
        const ways = (mode: 'inbound' | 'outbound') => {
          const found = new Set<string>();
          const visit = (one: string) => {
            if (found.has(one)) return;
            found.add(one);
            for (const next of mode === 'inbound' ? graph.inNeighbors(one) : graph.outNeighbors(one)) visit(next);
          };
          visit(name);
          return found;
        };
        expect(needed).toEqual(ways('inbound'));
        expect(new Set([name, ...dependents])).toEqual(ways('outbound'));
        expect(dependents.has(name)).toBe(false);
      }
    }),
    { numRuns: 40 },
  );
});

describe('pictures', () => {
  const pipeline = load(`
tasks:
  raw: { run: "true", out: { o: out/raw } }
  part: { run: "true", matrix: { x: [a, b], y: [0, 1] }, in: { i: "\${raw.o}" }, out: { o: "out/\${x}/\${y}" } }
  sum: { run: "true", matrix: { x: [a, b] }, in: { i: "\${part.o}" }, out: { o: "out/sum/\${x}" } }
  all: { run: "true", in: { i: "\${sum.o}" }, after: raw, out: { o: out/all } }
`);
  const states = new Map(pipeline.nodes.map((node, i) => [node.name, i % 2 === 0 ? 'fresh' : 'stale']));

  test('text has a line for each task, with its count, its axes and what it reads', async () => {
    expect(await renderGraph(pipeline, { format: 'text' })).toBe(
      ['raw', 'part ×4 [x, y]  ← raw', 'sum ×2 [x]      ← part', 'all             ← sum, (after raw)', ''].join('\n'),
    );
  });

  test('text has a line for each node on demand, with its state', async () => {
    expect(await renderGraph(pipeline, { format: 'text', tasks: false, states })).toBe(
      [
        'raw             fresh',
        'part[x=a, y=0]  stale  ← raw',
        'part[x=a, y=1]  fresh  ← raw',
        'part[x=b, y=0]  stale  ← raw',
        'part[x=b, y=1]  fresh  ← raw',
        'sum[x=a]        stale  ← part ×2',
        'sum[x=b]        fresh  ← part ×2',
        'all             stale  ← sum ×2, (after raw)',
        '',
      ].join('\n'),
    );
  });

  test('Mermaid has a box for each task in the colour of its worst node, and dashes for order alone', async () => {
    expect(await renderGraph(pipeline, { format: 'mermaid', states })).toBe(
      [
        'flowchart LR',
        '  n0("raw<br/>fresh"):::fresh',
        '  n1("part ×4<br/>x, y<br/>2 stale, 2 fresh"):::stale',
        '  n2("sum ×2<br/>x<br/>1 stale, 1 fresh"):::stale',
        '  n3("all<br/>stale"):::stale',
        '  n0 --> n1',
        '  n1 --> n2',
        '  n2 --> n3',
        '  n0 -.-> n3',
        '  classDef fresh fill:#dcf2da,stroke:#3d8a45,color:#1c2024',
        '  classDef stale fill:#fdeec4,stroke:#a97b12,color:#1c2024',
        '',
      ].join('\n'),
    );
  });

  test('an SVG by node has every node, and one arrow where all nodes of a task are read', async () => {
    const svg = await renderGraph(pipeline, { format: 'svg', tasks: false, states });
    for (const node of pipeline.nodes) expect(svg).toContain(`<title>${node.name}</title>`);
    // raw → part, part → sum twice for each sum, sum → all, raw ⇢ all.
    expect(svg.match(/<g id="edge\d+"/g)).toHaveLength(1 + 4 + 1 + 1);
    expect(svg).toContain('font-family="Helvetica,Arial,sans-serif"');
  });

  test('DOT survives quotes and angle brackets in labels', async () => {
    const odd = load(`tasks: { t: { run: "true", matrix: { x: ['a"b', '<c>&', 'd\\e'] } } }`);
    const svg = await renderGraph(odd, { format: 'svg', tasks: false });
    expect(svg).toContain('x=a&quot;b');
    expect(svg).toContain('x=&lt;c&gt;&amp;');
    expect(svg).toContain('x=d\\e');
  });
});
