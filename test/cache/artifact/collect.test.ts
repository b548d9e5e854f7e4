// Collection at the level of the store: what goes, and what a process that has not recorded yet counts on.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { acquireLock, type Cache, type CollectRequest, type Entry } from '../../../cache/index.ts';
import { cacheIn, clockMoved, plant, startChild, temporaryFolder } from '../rig.ts';

const SIZE = 5000;
const large = (text: string) => text.padEnd(SIZE, '.');

const request = (drop: readonly string[], changes: Partial<CollectRequest> = {}): CollectRequest => ({
  drop,
  entriesOf: (record) => [record as Entry],
  mayDrop: () => true,
  dryRun: false,
  onWait: () => {},
  ...changes,
});

async function save(cache: Cache, folder: string, id: string, text: string): Promise<Entry> {
  const staged = plant(join(folder, `staged-${id}`), { large: large(text), small: text });
  const entry = await cache.save(staged, join(folder, id));
  await cache.commit([{ space: 'records', id, value: entry }]);
  return entry;
}

function objects(folder: string): number {
  const root = join(folder, '.dag/v1/objects');
  return readdirSync(root).reduce((sum, name) => sum + readdirSync(join(root, name)).length, 0);
}

test('what only dropped records lead to goes, what a record shares with them stays', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  const one = await save(cache, folder, 'one', 'same');
  await save(cache, folder, 'two', 'same');
  const three = await save(cache, folder, 'three', 'other');
  await clockMoved(folder);
  expect(await cache.collect(request(['one', 'three']))).toMatchObject({ records: 2, objects: 2, bytes: SIZE + 5 });
  expect([cache.has(one), cache.has(three)]).toEqual([true, false]);
  expect(cache.get('records', 'three')).toBeUndefined();
  await cache.restore(one, join(folder, 'again'));
  expect(readFileSync(join(folder, 'again/small'), 'utf8')).toBe('same');
});

test('a record that came to be needed at the last moment is not dropped, and neither is what it leads to', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  const entry = await save(cache, folder, 'one', 'text');
  await clockMoved(folder);
  await cache.collect(request(['one'], { mayDrop: () => false }));
  expect(cache.get('records', 'one')).toEqual(entry);
  await cache.restore(entry, join(folder, 'again'));
});

test('bytes that a living process found in the store and has not recorded yet stay, small ones and large ones', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  await save(cache, folder, 'one', 'text');
  const unrelated = await save(cache, folder, 'other', 'garbage');
  await clockMoved(folder);
  const child = await startChild('claim', [folder, 'text', String(SIZE)]);
  await child.line();
  const found = await cache.collect(request(['one', 'other']));
  expect(found.builds).toHaveLength(1);
  expect(cache.has(unrelated)).toBe(false);
  child.tell('commit');
  expect(await child.ended).toBe(0);
  const claimed = cache.get('records', 'claimed') as Entry;
  await cache.restore(claimed, join(folder, 'again'));
  expect(readFileSync(join(folder, 'again/large'), 'utf8')).toBe(large('text'));
  expect(readFileSync(join(folder, 'again/small'), 'utf8')).toBe('text');
});

test('what a killed process was about to add goes with it', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  mkdirSync(join(folder, '.dag/v1/objects'), { recursive: true });
  const child = await startChild('claim', [folder, 'text', String(SIZE)]);
  await child.line();
  child.process.kill('SIGKILL');
  await child.ended;
  await clockMoved(folder);
  const found = await cache.collect(request([]));
  expect(found.builds).toEqual([]);
  expect(objects(folder)).toBe(0);
});

test('two collections at once: one waits, and both end', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  for (const id of ['a', 'b', 'c']) await save(cache, folder, id, id);
  await clockMoved(folder);
  const both = await Promise.all([cache.collect(request(['a'])), cache.collect(request(['b']))]);
  expect(both.map(({ records }) => records)).toEqual([1, 1]);
  expect(objects(folder)).toBe(1);
});

test('a dry run counts the same and removes nothing', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  const entry = await save(cache, folder, 'one', 'text');
  await clockMoved(folder);
  const dry = await cache.collect(request(['one'], { dryRun: true }));
  expect(cache.has(entry)).toBe(true);
  expect(await cache.collect(request(['one']))).toEqual(dry);
  expect(existsSync(join(folder, 'one/large'))).toBe(true);
});

test('an unreadable stray in the store stops neither collection nor verification', async () => {
  const folder = temporaryFolder();
  const cache = cacheIn(folder);
  await save(cache, folder, 'one', 'text');
  mkdirSync(join(folder, '.dag/v1/objects/zz'), { recursive: true });
  writeFileSync(join(folder, '.dag/v1/objects/zz/stray'), 'x');
  await clockMoved(folder);
  expect((await cache.verify()).damaged).toEqual([
    { digest: 'zzstray', place: join(folder, '.dag/v1/objects/zz/stray') },
  ]);
  await cache.collect(request([]));
  expect(objects(folder)).toBe(1);
});

test('what a living process saves as a change of a base it counts on, whoever drops the base meanwhile', async () => {
  const folder = temporaryFolder();
  const target = join(folder, 'artifact');
  const collector = cacheIn(folder);
  const names = Array.from({ length: 40 }, (_, at) => `file ${at}`);
  plant(target, Object.fromEntries(names.map((name) => [name, large(name)])));
  await clockMoved(folder); // What is hashed in the tick of its last write is hashed again.
  const base = await collector.save(target, target);
  await collector.commit([{ space: 'records', id: 'base', value: base }]);
  await clockMoved(folder);

  const builder = cacheIn(folder);
  writeFileSync(join(target, 'file 7'), large('changed'));
  rmSync(join(target, 'file 8'));
  plant(target, { 'inner/new': large('new') });
  const before = builder.counters.hashes;
  const entry = await builder.save(target, target, base);
  expect(builder.counters.hashes - before).toBe(2);
  await collector.collect(request(['base']));
  await builder.commit([{ space: 'records', id: 'new', value: entry }]);
  await builder.restore(entry, join(folder, 'again'));
  expect(builder.scan(join(folder, 'again'))).toEqual(entry);
});

test('while a collection is under way, saving asks the store for every file', async () => {
  const folder = temporaryFolder();
  const target = join(folder, 'artifact');
  const cache = cacheIn(folder);
  plant(target, { a: large('a'), b: large('b') });
  const base = await cache.save(target, target);
  await cache.commit([{ space: 'records', id: 'base', value: base }]);
  const lock = await acquireLock(join(cache.dir, 'collect.lock'), { onWait: () => {} });
  // As a collection leaves it that had decided before.
  rmSync(join(cache.dir, 'objects'), { recursive: true });
  mkdirSync(join(cache.dir, 'objects'));
  writeFileSync(join(target, 'a'), large('other'));
  const entry = await cache.save(target, target, base);
  await cache.commit([{ space: 'records', id: 'new', value: entry }]);
  lock.release();
  await cache.restore(entry, join(folder, 'again'));
});
