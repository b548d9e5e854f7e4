// The scheduler in simulation: the full configuration of this repository's own pipeline on 1 to 16 GPUs.
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { topological } from '../../engine/graph/order.ts';
import { loadPipeline } from '../../engine/load/load.ts';
import type { Node } from '../../engine/model/node.ts';
import { machineWith, makespan } from '../../engine/schedule/makespan.ts';
import { testNode } from '../rigs/node.ts';
import { REPOSITORY } from '../rigs/project.ts';

const HERE = { cores: 16, memoryBytes: 64 * 2 ** 30, gpus: [], pools: {} };
const COUNTS = Array.from({ length: 16 }, (_, at) => at + 1);

function fullPipeline(): Node[] {
  const file = path.join(REPOSITORY, 'pipeline.yml');
  const loaded = loadPipeline({ root: REPOSITORY, file, profile: 'rsna' });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const byName = new Map(loaded.value.nodes.map((node) => [node.name, node]));
  return topological(loaded.value).map((name) => byName.get(name)!);
}

const nodes = fullPipeline();
const trainings = nodes.filter(({ task }) => task === 'train');
const models = [...new Set(trainings.map(({ axes }) => axes.model!))];

/** As declared, but trainings: so many hours by model, and by fold that much longer or shorter. */
function withTrainings(hours: readonly number[], folds: readonly number[]): (node: Node) => number | null {
  const seconds = new Map(
    trainings.map(({ name, axes }, at) => [name, hours[models.indexOf(axes.model!)]! * 3600 * folds[at]!]),
  );
  return (node) => seconds.get(node.name) ?? node.durationSeconds;
}

/** max(work/GPUs, critical path), and the same with the way to the first training and from the last, which no GPU shortens. */
function lowerBounds(durations: (node: Node) => number | null, gpus: number): { literal: number; around: number } {
  const seconds = (node: Node) => durations(node) ?? 60;
  const starts = new Map<string, number>();
  const needsOf = ({ inputs, after }: Node) => [
    ...inputs.flatMap(({ sources }) => sources.flatMap(({ producer }) => producer?.node ?? [])),
    ...after,
  ];
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const endOf = (name: string) => starts.get(name)! + seconds(byName.get(name)!);
  for (const node of nodes) starts.set(node.name, Math.max(0, ...needsOf(node).map(endOf)));
  const critical = Math.max(...nodes.map(({ name }) => endOf(name)));
  const work = (some: readonly Node[]) => some.reduce((sum, node) => sum + seconds(node) * node.resources.gpu, 0);
  const way = Math.min(...trainings.map(({ name }) => starts.get(name)!));
  const out = Math.min(...trainings.map((node) => critical - endOf(node.name)).filter((left) => left >= 0));
  const slack = critical - Math.max(...trainings.map(({ name }) => endOf(name)));
  const literal = Math.max(work(nodes) / gpus, critical);
  return { literal, around: Math.max(literal, way + work(trainings) / gpus + Math.min(out, slack)) };
}

/** Hours by model and shares by fold with which a node that overran made the next look due at once, again and again. */
const NEVER_ENDED: [number[], number[]] = [
  [37.15610206872225, 45.138438982889056, 48, 24.000000013748096, 33.41498326510191],
  [
    1.0577878636773677, 0.900000000146573, 0.9000000001477844, 0.9000000001700003, 0.9979409975931048,
    1.0875559674575925, 1.1, 0.9, 1.090866997325793, 1.1, 1.0440150922629983, 1.1, 0.9000000001664895, 1.02325730137527,
    0.9, 0.9432244864292443, 0.9, 1.1, 1.012008895771578, 0.9070869316346943, 0.9210456491447986, 1.0734446133486928,
    1.1, 1.0501638730522247, 0.9335142199415714,
  ],
];

/** So short that on one GPU the predictions after the trainings weigh, too. */
const SHORT: [number[], number[]] = [new Array(5).fill(2), new Array(25).fill(0.9)];

describe('the makespan of the full configuration', () => {
  test('has five models of five folds to train, which may be cut', () => {
    expect(trainings).toHaveLength(25);
    expect(models).toHaveLength(5);
    expect(trainings.every(({ resources }) => resources.preemptible === true)).toBe(true);
  });

  test.each(COUNTS)(
    'on %i GPUs is within 1.05 of max(work/GPUs, critical path), with the durations declared',
    (gpus) => {
      const declared = (node: Node) => node.durationSeconds;
      const found = makespan(nodes, declared, machineWith(gpus, nodes, HERE));
      const { literal } = lowerBounds(declared, gpus);
      expect(found.boundSeconds).toBeGreaterThanOrEqual(literal - 1e-6);
      expect(found.boundSeconds).toBeLessThanOrEqual(literal * 1.01); // Cores count too.
      expect(found.seconds / literal).toBeGreaterThanOrEqual(1 - 1e-9);
      expect(found.seconds / literal).toBeLessThanOrEqual(1.05);
    },
  );

  // The way to the trainings and back is an hour and a half; beside shorter trainings it weighs more than 0.05 on many GPUs.
  test.each([
    ['from 30 to 48 hours, of max(work/GPUs, critical path)', 30, 'literal'],
    ['from 2 to 48 hours, of that with the way to the trainings and from them', 2, 'around'],
  ] as const)('is so too where each training takes %s', (_, least, which) => {
    const hours = fc.array(fc.double({ min: least, max: 48, noNaN: true }), { minLength: 5, maxLength: 5 });
    const folds = fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 25, maxLength: 25 });
    fc.assert(
      fc.property(hours, folds, (hour, fold) => {
        const durations = withTrainings(hour, fold);
        for (const gpus of COUNTS) {
          const found = makespan(nodes, durations, machineWith(gpus, nodes, HERE));
          expect(found.seconds / lowerBounds(durations, gpus)[which]).toBeLessThanOrEqual(1.05);
          expect(found.moves).toBeLessThanOrEqual(3 * 25);
        }
      }),
      { numRuns: 20, examples: [NEVER_ENDED, ...(least === 2 ? [SHORT] : [])] },
    );
  });
});

test('of a chain is its length, and of independent nodes their work over the GPUs', () => {
  const gpu = { resources: { gpu: 1 } };
  const chain = ['a', 'b', 'c'].map((name, at, all) =>
    testNode(name, { ...gpu, after: all.slice(Math.max(0, at - 1), at) }),
  );
  expect(makespan(chain, () => 10, machineWith(4, chain, HERE)).seconds).toBe(30);
  const free = ['a', 'b', 'c', 'd'].map((name) => testNode(name, gpu));
  expect(makespan(free, () => 10, machineWith(2, free, HERE)).seconds).toBe(20);
});

test('three equal nodes on two GPUs take half as long again as one where they may be cut, and twice as long where not', () => {
  const three = (preemptible: boolean) =>
    ['a', 'b', 'c'].map((name) => testNode(name, { resources: { gpu: 1, preemptible } }));
  const hours = (preemptible: boolean) => {
    const found = makespan(three(preemptible), () => 36_000, machineWith(2, three(preemptible), HERE));
    return { hours: found.seconds / 3600, moves: found.moves };
  };
  expect(hours(false)).toEqual({ hours: 20, moves: 0 });
  expect(hours(true).hours).toBeCloseTo(15, 1);
  expect(hours(true).moves).toBe(1);
});
