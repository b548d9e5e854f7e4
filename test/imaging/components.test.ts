// The run-based labelling against its definition, a flood fill over voxels.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Box, largestComponent, type Planes } from '../../tasks/imaging/components.ts';

const CHANNELS = 3;

/** The definition: fill from every voxel in scan order (row, column, channel); a later component must be bigger to win. */
function floodFill(planes: Planes, rows: number, columns: number): Box | null {
  const seen = planes.map((plane) => plane.map((value) => (value > 0 ? 0 : 1)));
  let best: { size: number; box: Box } | null = null;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let channel = 0; channel < CHANNELS; channel++) {
        const found = fill(seen, rows, columns, [row, column, channel]);
        if (found.size > (best?.size ?? 0)) best = found;
      }
    }
  }
  return best?.box ?? null;
}

function fill(seen: Uint8Array[], rows: number, columns: number, from: [number, number, number]) {
  const box = { top: rows, bottom: 0, left: columns, right: 0 };
  let size = 0;
  const stack = [from];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const [row, column, channel] = at;
    const isInside = row >= 0 && row < rows && column >= 0 && column < columns && channel >= 0 && channel < CHANNELS;
    if (!isInside || seen[channel]![row * columns + column] === 1) continue;
    seen[channel]![row * columns + column] = 1;
    size++;
    box.top = Math.min(box.top, row);
    box.bottom = Math.max(box.bottom, row + 1);
    box.left = Math.min(box.left, column);
    box.right = Math.max(box.right, column + 1);
    stack.push([row + 1, column, channel], [row - 1, column, channel], [row, column + 1, channel]);
    stack.push([row, column - 1, channel], [row, column, channel + 1], [row, column, channel - 1]);
  }
  return { size, box };
}

const volume = fc
  .record({
    rows: fc.integer({ min: 1, max: 9 }),
    columns: fc.integer({ min: 1, max: 9 }),
    share: fc.integer({ min: 1, max: 9 }),
  })
  .chain(({ rows, columns, share }) => {
    const voxel = fc.integer({ min: 0, max: 9 }).map((value) => (value < share ? 1 : 0));
    const plane = fc.array(voxel, { minLength: rows * columns, maxLength: rows * columns });
    return fc
      .tuple(plane, plane, plane)
      .map((planes) => ({ rows, columns, planes: planes.map((p) => Uint8Array.from(p)) }));
  });

it('finds the box of the component that a flood fill finds, ties included', () => {
  fc.assert(
    fc.property(volume, ({ rows, columns, planes }) => {
      expect(largestComponent(planes, rows, columns)).toEqual(floodFill(planes, rows, columns));
    }),
    { numRuns: 2000 },
  );
});

it('has no component where nothing is foreground', () => {
  const plane = new Uint8Array(25);
  expect(largestComponent([plane, plane, plane], 5, 5)).toBeNull();
});

it('joins channels only through their neighbour: red and blue do not touch', () => {
  const red = Uint8Array.from([1, 1, 0, 0]);
  const blue = Uint8Array.from([0, 1, 1, 1]);
  const green = new Uint8Array(4);
  expect(largestComponent([red, green, blue], 1, 4)).toEqual({ top: 0, bottom: 1, left: 1, right: 4 });
});
