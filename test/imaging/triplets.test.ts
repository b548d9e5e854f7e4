import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Slice, triplets } from '../../tasks/imaging/triplets.ts';

const slice = (Image: string, StudyInstanceUID: string, z: number, series: string | null = null): Slice => ({
  Image,
  StudyInstanceUID,
  SeriesInstanceUID: series,
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

it('keeps series of one study apart, though they lie in the same place', () => {
  const slices = [slice('thin_1', 's', 1, '9'), slice('thick_1', 's', 1, '8'), slice('thin_0', 's', 0, '9')];
  expect([...triplets([...slices, slice('thick_0', 's', 0, '8')])]).toEqual([
    ['thick_1', 'thick_1', 'thick_0'],
    ['thick_1', 'thick_0', 'thick_0'],
    ['thin_1', 'thin_1', 'thin_0'],
    ['thin_1', 'thin_0', 'thin_0'],
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
      SeriesInstanceUID: fc.constantFrom('1', '2', null),
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
