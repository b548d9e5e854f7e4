// The house: who imports whom, against the table of floors; what breaks it is told by file and line. Type imports count.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CACHE, ENGINE, FLOORS, TASKS, WITHOUT_CIRCLES } from './rooms/floors.ts';
import { circlesOf, type Import, importsOf, packagesOf, root } from './rooms/imports.ts';
import { pictureOf, withPicture } from './rooms/picture.ts';

const imports = ['cache', 'engine', 'tasks'].flatMap(importsOf);

/** The row with the longest name that the file lies in. */
function roomOf(file: string): string {
  const rows = FLOORS.map(({ room }) => room).filter((room) => file === room || file.startsWith(`${room}/`));
  return rows.reduce((best, room) => (room.length > best.length ? room : best), '');
}

const told = ({ file, line, target }: Import) => `${file}:${line} imports ${target}`;

test('the reader of imports sees the ones that exist', () => {
  const seen = imports.map(({ file, target }) => `${file} ${target}`);
  expect(seen).toContain('engine/plan/key.ts cache/index.ts');
  expect(seen).toContain('tasks/train.ts engine/task.ts');
  expect(seen).toContain('tasks/dicom/codecs/codec.ts tasks/dicom/codecs/wasm.ts'); // A dynamic one.
  expect(packagesOf('cache/db')).toContain('lmdb');
});

test('every import leads to the room itself or to one that its row names', () => {
  const allowed = new Map(FLOORS.map(({ room, mayImport }) => [room, new Set([room, ...mayImport])]));
  const offending = imports.filter(({ file, target }) => !allowed.get(roomOf(file))?.has(roomOf(target)));
  for (const [house, rooms] of Object.entries({ cache: CACHE, engine: ENGINE, tasks: TASKS }))
    console.log(pictureOf(house, rooms));
  expect(offending.map(told)).toEqual([]);
});

test('a row names rooms above it alone, so that no rooms form a circle', () => {
  const rooms = FLOORS.map(({ room }) => room);
  const upward = FLOORS.flatMap(({ room, mayImport }, at) =>
    mayImport.filter((one) => !rooms.slice(0, at).includes(one)).map((one) => `${room} → ${one}`),
  );
  expect(upward).toEqual([]);
});

test('no files form a circle', () => {
  for (const house of WITHOUT_CIRCLES) {
    const inside = imports.filter(({ file }) => file.startsWith(`${house}/`));
    expect(circlesOf(inside.map(({ file, target }) => [file, target]))).toEqual([]);
  }
});

test('a circle of files is told by its members', () => {
  const arrows = [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'b'],
    ['c', 'd'],
  ] as const;
  expect(circlesOf(arrows)).toEqual(['b → c → b']);
});

test('the second door of the cache loads no package, so that a run with nothing to do need not either', () => {
  expect(packagesOf('cache/host')).toEqual([]);
});

test('the documents show the table as it is', async () => {
  const shown = (file: string, ...houses: (readonly [string, typeof CACHE])[]) => {
    const text = readFileSync(path.join(root, file), 'utf8');
    const mended = houses.reduce((now, [house, rooms]) => withPicture(now, house, rooms), text);
    return expect(mended).toMatchFileSnapshot(path.join(root, file));
  };
  await shown('ARCHITECTURE.md', ['cache', CACHE]);
  await shown('tasks/README.md', ['tasks', TASKS]);
});
