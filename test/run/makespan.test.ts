// The scheduler in simulation: the full configuration of this repository's own pipeline on 1 to 16 GPUs.
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Node } from '../../engine/graph/node.ts';
import { topological } from '../../engine/graph/order.ts';
import { machineWith, makespan } from '../../engine/plan/makespan.ts';
import { loadPipeline } from '../../engine/spec/load.ts';
import { testNode } from '../rigs/node.ts';
import { REPOSITORY } from '../rigs/project.ts';

const HERE = { cores: 16, memoryBytes: 64 * 2 ** 30, gpus: [], pools: {} };

/** Hours of one training on one GPU, by model; declared here, not measured. */
const TRAINING_HOURS = [9, 14, 18, 24, 31];

function fullPipeline(): Node[] {
  const file = path.join(REPOSITORY, 'pipeline.yml');
  const loaded = loadPipeline({ root: REPOSITORY, file, profile: 'rsna' });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const byName = new Map(loaded.value.nodes.map((node) => [node.name, node]));
  return topological(loaded.value).map((name) => byName.get(name)!);
}

function secondsOf(nodes: readonly Node[]): (node: Node) => number {
  const models = [...new Set(nodes.filter(({ task }) => task === 'train').map(({ axes }) => axes.model!))];
  return (node) => {
    if (node.task === 'train') return TRAINING_HOURS[models.indexOf(node.axes.model!) % 5]! * 3600;
    return node.resources.gpu > 0 ? 1200 : 600;
  };
}

describe('the makespan', () => {
  const nodes = fullPipeline();
  const seconds = secondsOf(nodes);

  test('of the full configuration has five models of five folds to train', () => {
    expect(nodes.filter(({ task }) => task === 'train')).toHaveLength(25);
  });

  // Twenty-five trainings that cannot be cut do not fill 14 GPUs evenly, in any order: so the bound counts how they pack,
  // exactly, and the ways to the first and from the last of them.
  test.each(Array.from({ length: 16 }, (_, at) => at + 1))(
    'on %i GPUs is within 1.05 of what no schedule beats',
    (gpus) => {
      const trainings = nodes.filter(({ task }) => task === 'train').map(seconds);
      const alone = makespan(nodes, seconds, machineWith(1, nodes, HERE)).boundSeconds;
      const around = alone - trainings.reduce((sum, one) => sum + one, 0);
      const found = makespan(nodes, seconds, machineWith(gpus, nodes, HERE));
      const bound = Math.max(found.boundSeconds, around + bestPacking(trainings, gpus));
      expect(found.seconds / bound).toBeGreaterThanOrEqual(1 - 1e-9);
      expect(found.seconds / bound).toBeLessThanOrEqual(1.05);
    },
  );

  test('of a chain is its length, and of independent nodes their work over the GPUs', () => {
    const gpu = { resources: { gpu: 1 } };
    const chain = ['a', 'b', 'c'].map((name, at, all) =>
      testNode(name, { ...gpu, after: all.slice(Math.max(0, at - 1), at) }),
    );
    expect(makespan(chain, () => 10, machineWith(4, chain, HERE)).seconds).toBe(30);
    const free = ['a', 'b', 'c', 'd'].map((name) => testNode(name, gpu));
    expect(makespan(free, () => 10, machineWith(2, free, HERE)).seconds).toBe(20);
  });
});

/** The shortest time in which jobs that cannot be cut fit on so many machines: exact, by the numbers of jobs of each length. */
function bestPacking(jobs: readonly number[], machines: number): number {
  const lengths = [...new Set(jobs)].sort((a, b) => b - a);
  const counts = lengths.map((length) => jobs.filter((job) => job === length).length);
  const sums = new Set<number>([0]);
  for (const job of jobs) for (const sum of [...sums]) sums.add(sum + job);
  const candidates = [...sums].sort((a, b) => a - b);
  let [low, high] = [0, candidates.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (machinesNeeded(lengths, counts, candidates[middle]!) <= machines) high = middle;
    else low = middle + 1;
  }
  return candidates[low]!;
}

/** Over all multisets of jobs: the fewest machines, and the least load on the last one. */
function machinesNeeded(lengths: readonly number[], counts: readonly number[], limit: number): number {
  if (lengths.some((length) => length > limit)) return Number.POSITIVE_INFINITY;
  const strides = counts.map((_, at) => counts.slice(0, at).reduce((product, count) => product * (count + 1), 1));
  const total = counts.reduce((product, count) => product * (count + 1), 1);
  const best: [number, number][] = [[1, 0]];
  for (let state = 1; state < total; state++) {
    best[state] = [Number.POSITIVE_INFINITY, 0];
    for (const [at, length] of lengths.entries()) {
      if (Math.floor(state / strides[at]!) % (counts[at]! + 1) === 0) continue;
      const [machines, load] = best[state - strides[at]!]!;
      const next: [number, number] = load + length <= limit ? [machines, load + length] : [machines + 1, length];
      if (next[0] < best[state]![0] || (next[0] === best[state]![0] && next[1] < best[state]![1])) best[state] = next;
    }
  }
  return best[total - 1]![0];
}
