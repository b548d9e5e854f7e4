import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Allotment, Capacity, Resources } from '../../engine/model/resources.ts';
import { createSlots, impossible } from '../../engine/schedule/slots.ts';
import { noResources } from '../rigs/node.ts';

const machine: Capacity = { cores: 4, memoryBytes: 100, gpus: [0, 1], pools: { disk: 1 } };

describe('slots', () => {
  test('a node waits until the cores it asks for are free', () => {
    const slots = createSlots(machine);
    const first = slots.take({ ...noResources, cpu: 3 })!;
    expect(slots.take({ ...noResources, cpu: 2 })).toBeNull();
    slots.release(first, { ...noResources, cpu: 3 });
    expect(slots.take({ ...noResources, cpu: 2 })?.cores).toBe(2);
  });

  test('a wish beyond the machine is cut down to it', () => {
    expect(createSlots(machine).take({ ...noResources, cpu: 64, memoryBytes: 1e12 })).toEqual({
      cores: 4,
      memoryBytes: 100,
      gpus: [],
    });
  });

  test('two halves share one GPU and leave the other whole', () => {
    const slots = createSlots(machine);
    const half = { ...noResources, gpu: 0.5 };
    expect(slots.take(half)?.gpus).toEqual([0]);
    expect(slots.take(half)?.gpus).toEqual([0]);
    expect(slots.take({ ...noResources, gpu: 1 })?.gpus).toEqual([1]);
    expect(slots.take(half)).toBeNull();
  });

  test('a named pool is a limit of its own', () => {
    const slots = createSlots(machine);
    const disk = { ...noResources, pools: { disk: 1 } };
    expect(slots.take(disk)).not.toBeNull();
    expect(slots.take(disk)).toBeNull();
  });

  test('without a GPU in the machine, a node that can do without runs and one that cannot is impossible', () => {
    const none = { ...machine, gpus: [] };
    expect(createSlots(none).take({ ...noResources, gpu: 1, gpuOptional: true })?.gpus).toEqual([]);
    expect(impossible({ ...noResources, gpu: 1 }, none)).toContain('needs 1 GPU');
    expect(impossible({ ...noResources, gpu: 1, gpuOptional: true }, none)).toBeNull();
  });
});

const wishes = fc.record({
  cpu: fc.integer({ min: 1, max: 6 }),
  memoryBytes: fc.integer({ min: 0, max: 150 }),
  gpu: fc.constantFrom(0, 0.25, 0.5, 1, 2),
  gpuOptional: fc.constant(true),
  preemptible: fc.constant(false),
  pools: fc.constantFrom<Readonly<Record<string, number>>>({}, { disk: 1 }),
});

test('whatever is taken and given back in whatever order, nothing is ever promised twice and all comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(wishes, fc.boolean()), { maxLength: 60 }), (steps) => {
      const slots = createSlots(machine);
      const held: { allotment: Allotment; resources: Resources }[] = [];
      for (const [resources, giveBack] of steps) {
        if (giveBack && held.length > 0) {
          const { allotment, resources: wish } = held.shift()!;
          slots.release(allotment, wish);
        }
        const allotment = slots.take(resources);
        if (allotment) held.push({ allotment, resources });
        expect(sum(held, ({ allotment: a }) => a.cores)).toBeLessThanOrEqual(4);
        expect(sum(held, ({ allotment: a }) => a.memoryBytes)).toBeLessThanOrEqual(100);
        for (const gpu of machine.gpus) {
          const users = held.filter(({ allotment: a }) => a.gpus.includes(gpu));
          expect(sum(users, ({ resources: wish }) => Math.min(wish.gpu, 1))).toBeLessThanOrEqual(1 + 1e-9);
        }
      }
      for (const { allotment, resources } of held) slots.release(allotment, resources);
      expect(slots.take({ ...noResources, cpu: 4, memoryBytes: 100, gpu: 2, pools: { disk: 1 } })?.gpus).toEqual([
        0, 1,
      ]);
    }),
  );
});

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
