import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Slice, triplets } from '../../tasks/imaging/triplets.ts';

const slice = (Image: string, StudyInstanceUID: string, z: number): Slice => ({
  Image,
  StudyInstanceUID,
  ImagePositionPatient_2: z,
});

it('walks studies by UID and slices downwards, and repeats the slice at an edge', () => {
  const slices = [
    slice('a', '2.25.2', -5),
    slice('b', '2.25.2', 5),
    slice('c', '2.25.10', 0),
    slice('d', '2.25.2', 0.5),
  ];
  expect([...triplets(slices)]).toEqual([
    ['c', 'c', 'c'], // UIDs compare as text: 2.25.10 before 2.25.2.
    ['b', 'b', 'd'],
    ['b', 'd', 'a'],
    ['d', 'a', 'a'],
  ]);
});

it('orders slices at one position by Image', () => {
  expect([...triplets([slice('y', 's', 1), slice('x', 's', 1)])]).toEqual([
    ['x', 'x', 'y'],
    ['x', 'y', 'y'],
  ]);
});

it('does not depend on the order of the table', () => {
  const some = fc.uniqueArray(
    fc.record({
      Image: fc.string({ minLength: 1, maxLength: 3 }),
      StudyInstanceUID: fc.constantFrom('1', '2', '3'),
      ImagePositionPatient_2: fc.integer({ min: -3, max: 3 }),
    }),
    { selector: (entry) => entry.Image, maxLength: 12 },
  );
  fc.assert(
    fc.property(some, (slices) => {
      expect([...triplets(slices)]).toEqual([...triplets([...slices].reverse())]);
    }),
  );
});
