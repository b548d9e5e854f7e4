// The way of big folders: files asked for on threads, names taken from the index while the folder's own stat is the same.
import { chmodSync, lstatSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../../cache/db/database.ts';
import { startParallelStat, toShared } from '../../../cache/scan/parallelStat.ts';
import { newScanner } from '../../../cache/scan/scanner.ts';
import { loadPacked } from '../../../cache/scan/statCache.ts';
import { newCounters } from '../../../cache/types.ts';
import { clockMoved, plant, temporaryFolder } from '../rig.ts';

const open: Database[] = [];
afterEach(async () => {
  for (const database of open.splice(0)) await database.close();
});

function database(): Database {
  const opened = openDatabase(join(temporaryFolder(), 'index.mdb'), newCounters());
  open.push(opened);
  return opened;
}

/** A look by a process of its own, by way of the threads. */
async function warmed(index: Database, path: string) {
  const counters = newCounters();
  const scanner = newScanner(index, counters, 1);
  await scanner.warm([path]);
  const { folders, hashes } = counters;
  return { entry: scanner.scan(path)!, folders, hashes, scanner };
}

const names = Array.from({ length: 700 }, (_, at) => `f ${at}ü`);
const manyFiles = () => Object.fromEntries(names.map((name) => [name, `content of ${name}`]));

test('the threads mark the files that are as they were, and nothing else', async () => {
  const root = plant(temporaryFolder(), { ...manyFiles(), 'inner/x': 'x', target: 'y' });
  symlinkSync('target', join(root, 'link'));
  await clockMoved(temporaryFolder());
  const index = database();
  newScanner(index, newCounters()).scan(root);
  const [edited, removed, replaced, touched] = names as [string, string, string, string];
  writeFileSync(join(root, edited), `CONTENT of ${edited}`);
  rmSync(join(root, removed));
  rmSync(join(root, replaced));
  symlinkSync('target', join(root, replaced));
  const { atimeMs, mtimeMs } = lstatSync(join(root, touched));
  writeFileSync(join(root, touched), `CONTENT of ${touched}`);
  utimesSync(join(root, touched), atimeMs / 1000, mtimeMs / 1000);

  const packed = loadPacked(index, root, toShared)!;
  const parallel = startParallelStat(new Map([[root, packed]]), index.boot);
  const { fresh } = (await parallel.of(root))!;
  expect(await parallel.of('/elsewhere')).toBeUndefined();
  await parallel.close();
  const all = [...names, 'inner', 'link', 'target'].sort();
  const marked = new Set(all.filter((_, at) => fresh[at] === 1));
  const changed = [edited, removed, replaced, touched, 'inner', 'link'];
  expect([...marked]).toEqual(all.filter((name) => !changed.includes(name)));
});

test('a folder in which nothing changed is not read again, and one more file costs one hash', async () => {
  const root = plant(temporaryFolder(), manyFiles());
  await clockMoved(temporaryFolder());
  const index = database();
  const first = await warmed(index, root);
  expect(first).toMatchObject({ hashes: 700 });
  const again = await warmed(index, root);
  expect(again).toMatchObject({ entry: first.entry, folders: 0, hashes: 0 });
  expect(again.scanner.scan(join(root, names[5]!))).toEqual(first.scanner.scan(join(root, names[5]!)));
  writeFileSync(join(root, 'more'), 'more');
  expect(await warmed(index, root)).toMatchObject({ hashes: 1, entry: { files: 701 } });
});

test('a folder read in the clock tick of its last change is read again', async () => {
  const root = plant(temporaryFolder(), { a: 'a' });
  const index = database();
  for (let at = 0; at < 50; at++) {
    writeFileSync(join(root, `f${at}`), '');
    expect((await warmed(index, root)).entry.files).toBe(at + 2);
  }
});

test('after any changes the way by threads finds what a look without memory finds', async () => {
  const root = plant(temporaryFolder(), {});
  const index = database();
  const name = fc.constantFrom('a', 'b', 'c/x', 'c/y', 'd/e/z', 'd/e/w');
  const change = fc.record({ name, kind: fc.constantFrom('write', 'remove', 'move', 'mode', 'link'), text: fc.nat(3) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { minLength: 2, maxLength: 5 }), async (steps) => {
      rmSync(root, { recursive: true, force: true });
      plant(root, { a: 'a', 'c/x': 'x', 'd/e/z': 'z', 'd/still': 's' });
      for (const changes of steps) {
        for (const one of changes) apply(root, one);
        const { entry } = await warmed(index, root);
        expect(entry).toEqual(newScanner(database(), newCounters()).scan(root));
      }
      for (const spare of open.splice(1)) await spare.close();
    }),
    { numRuns: 25 },
  );
});

function apply(root: string, { name, kind, text }: { name: string; kind: string; text: number }): void {
  const path = join(root, name);
  const exists = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (kind === 'write') plant(root, { [name]: String(text) });
  else if (!exists) return;
  else if (kind === 'remove') rmSync(path);
  else if (kind === 'move') renameSync(path, `${path}-moved`);
  else if (kind === 'mode') chmodSync(path, text % 2 === 0 ? 0o755 : 0o644);
  else {
    rmSync(path);
    symlinkSync(join(root, 'd/still'), path);
  }
}
