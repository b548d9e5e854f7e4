import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cuts } from '../../../cache/hash/merkle.ts';
import { cacheIn, clockMoved, closeCache, plant, type Tree, temporaryFolder } from '../rig.ts';

const name = fc.constantFrom('a', 'b', 'a.b', 'a-b', 'ä', 'z', '10', '9');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const tree = fc
  .array(fc.tuple(path, fc.string({ maxLength: 2 })), { maxLength: 8 })
  .map(withoutClashes)
  .map((entries) => Object.fromEntries(entries) as Tree);

test('a folder’s digest does not depend on the order in which its files were made', () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  let count = 0;
  fc.assert(
    fc.property(tree, (files) => {
      const forward = plant(join(root, `f${count}`), files);
      const backward = plant(join(root, `b${count++}`), Object.fromEntries(Object.entries(files).reverse()));
      return cache.scan(forward)!.digest === cache.scan(backward)!.digest;
    }),
    { numRuns: 60 },
  );
});

test('two folders have one digest only when their files are the same, and diff lists just what differs', () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  let count = 0;
  fc.assert(
    fc.property(tree, tree, (before, after) => {
      const a = cache.scan(plant(join(root, `a${count}`), before))!;
      const b = cache.scan(plant(join(root, `b${count++}`), after))!;
      const found = cache.diff(a.digest, b.digest)!;
      const expected = plainDiff(before, after);
      expect(found.changes.map((one) => `${one.change} ${one.path}`).sort()).toEqual(expected);
      expect(found.total).toBe(expected.length);
      expect(a.digest === b.digest).toBe(expected.length === 0);
      expect(cache.files(a)!.map((file) => file.path)).toEqual(Object.keys(before).sort());
    }),
    { numRuns: 60 },
  );
});

test('diff counts everything, lists up to the limit, and knows only folders it has seen', () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  const files = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`s/f${at}`, 'x']));
  const a = cache.scan(plant(join(root, 'a'), { x: '1' }))!;
  const b = cache.scan(plant(join(root, 'b'), { x: '2', ...files }))!;
  const found = cache.diff(a.digest, b.digest, 3)!;
  expect(found.total).toBe(51);
  expect(found.changes).toHaveLength(3);
  const stranger = cacheIn(join(root, 'other')).scan(join(root, 'b'))!;
  expect(cacheIn(join(root, 'third')).files(stranger)).toBeNull();
  expect(cacheIn(join(root, 'third')).diff(a.digest, stranger.digest)).toBeNull();
});

test('ten new files in a flat folder of 4,000 cost ten hashes and a few chunks of the index', async () => {
  const root = temporaryFolder();
  const folder = plant(
    join(root, 'flat'),
    numbered(4000, (at) => `content ${at}`),
  );
  await clockMoved(root);
  const first = cacheIn(root);
  const before = first.scan(folder)!;
  const all = first.counters.indexBytes;
  expect(first.counters.hashes).toBe(4000);
  await closeCache(first);

  plant(folder, Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`f0022${at}x`, 'new'])));
  await clockMoved(root);
  const second = cacheIn(root);
  const after = second.scan(folder)!;
  expect(second.counters).toMatchObject({ folders: 1, hashes: 10, stats: 4011 });
  expect(second.counters.indexBytes).toBeLessThan(all / 3);
  expect(second.diff(before.digest, after.digest)!.total).toBe(10);
  await closeCache(second);

  const third = cacheIn(root);
  expect(third.scan(folder)).toEqual(after);
  expect(third.counters).toMatchObject({ hashes: 0, indexBytes: 0 });
  expect(cacheIn(join(root, 'other')).scan(folder)).toEqual(after);
});

test('an edit, a touch and a removal among 2,000 files give the folder a fresh cache would see', async () => {
  const root = temporaryFolder();
  const folder = plant(join(root, 'flat'), numbered(2000, String));
  await clockMoved(root);
  const first = cacheIn(root);
  first.scan(folder);
  await closeCache(first);
  writeFileSync(join(folder, 'f000500'), 'edited');
  utimesSync(join(folder, 'f001000'), 1, 1);
  rmSync(join(folder, 'f001500'));
  const second = cacheIn(root);
  const entry = second.scan(folder)!;
  expect(second.counters.hashes).toBe(2);
  expect(cacheIn(join(root, 'other')).scan(folder)).toEqual(entry);
});

test('where a listing is cut depends on the names alone: one more name moves the cuts beside it only', () => {
  const names = Array.from({ length: 50_000 }, (_, at) => `ID_${String(at).padStart(6, '0')}.dcm`);
  const ends = cuts(names).map((end) => names[end - 1]);
  expect(ends.length).toBeGreaterThan(100);
  expect(ends.length).toBeLessThan(400);
  const more = [...names.slice(0, 25_000), 'ID_024999_new.dcm', ...names.slice(25_000)];
  const moved = cuts(more).map((end) => more[end - 1]);
  expect(moved.filter((end) => !ends.includes(end)).length).toBeLessThanOrEqual(1);
  expect(ends.filter((end) => !moved.includes(end)).length).toBeLessThanOrEqual(1);
});

function numbered(count: number, text: (at: number) => string): Tree {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${String(at).padStart(6, '0')}`, text(at)]));
}

/** Drops paths that would need a file to be a folder, and repeats. */
function withoutClashes(entries: [string, string][]): [string, string][] {
  const kept: [string, string][] = [];
  for (const [one, text] of entries) {
    const clash = kept.some(([other]) => one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`));
    if (!clash) kept.push([one, text]);
  }
  return kept;
}

function plainDiff(before: Tree, after: Tree): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const lines: string[] = [];
  for (const one of names) {
    if (!(one in before)) lines.push(`added ${one}`);
    else if (!(one in after)) lines.push(`removed ${one}`);
    else if (before[one] !== after[one]) lines.push(`changed ${one}`);
  }
  return lines.sort();
}
