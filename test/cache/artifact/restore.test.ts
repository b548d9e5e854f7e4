import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase } from '../../../cache/db/database.ts';
import { type Cache, type Entry, openCache, StoreDamage } from '../../../cache/index.ts';
import { newCounters } from '../../../cache/types.ts';
import { cacheIn, clockMoved, closeCache, plant, startChild, temporaryFolder } from '../rig.ts';

/** Beyond what is kept in the index. */
const LARGE = 'hello'.repeat(1000);

test('a saved folder moves to its place, replaces what was there, and can be restored after it is deleted', async () => {
  const root = temporaryFolder();
  const target = plant(join(root, 'out'), { old: 'gone' });
  const staged = plant(join(root, 'staged'), { x: '1', 's/y': '2', 'empty/': '' });
  const cache = cacheIn(root);
  const entry = await cache.save(staged, target);
  await cache.commit([]);
  expect(existsSync(staged)).toBe(false);
  expect(existsSync(join(target, 'old'))).toBe(false);
  rmSync(target, { recursive: true });
  cache.forget(target);
  expect(cache.scan(target)).toBeNull();
  expect(cache.has(entry)).toBe(true);
  await cache.restore(entry, target);
  expect(cache.scan(target)).toEqual(entry);
  expect(readFileSync(join(target, 's/y'), 'utf8')).toBe('2');
  expect(readdirSync(join(target, 'empty'))).toEqual([]);
});

test('a saved file that stays where it is can be restored by another process, executable bit and all', async () => {
  const root = temporaryFolder();
  const file = join(root, 'tool');
  writeFileSync(file, 'echo', { mode: 0o755 });
  const first = cacheIn(root);
  const entry = await first.save(file, file);
  await first.commit([{ space: 'records', id: 'k', value: { ...entry } }]);
  await closeCache(first);
  unlinkSync(file);
  const second = cacheIn(root);
  const recorded = second.get('records', 'k') as Entry;
  expect(second.has(recorded)).toBe(true);
  await second.restore(recorded, file);
  expect(second.scan(file)).toEqual(entry);
  expect(statSync(file).mode & 0o777 & ~process.umask()).toBe(0o755 & ~process.umask());
});

test('restoring touches only what differs and removes what is too much', async () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  const target = plant(join(root, 'out'), { keep: '1', 's/keep': '2', edited: '3', gone: '4', 's/folder/x': '5' });
  const entry = await cache.save(target, target);
  const identity = (name: string) => [statSync(join(target, name)).ino, statSync(join(target, name)).ctimeMs];
  const before = ['keep', 's/keep'].map(identity);
  writeFileSync(join(target, 'edited'), 'x');
  unlinkSync(join(target, 'gone'));
  rmSync(join(target, 's/folder'), { recursive: true });
  plant(target, { 's/folder': 'now a file', 'gone/inner': 'now a folder', extra: '', 's/extra/y': '' });
  const hashes = cache.counters.hashes;
  cache.forget(target);
  await cache.restore(entry, target);
  expect(cache.scan(target)).toEqual(entry);
  expect(['keep', 's/keep'].map(identity)).toEqual(before);
  expect(cache.counters.hashes - hashes).toBeLessThan(20);
});

test('a restored artifact is not hashed again by the next process', async () => {
  const root = temporaryFolder();
  const target = plant(join(root, 'out'), { x: '1', 's/y': '2' });
  const first = cacheIn(root, { link: 'copy' });
  const entry = await first.save(target, target);
  rmSync(target, { recursive: true });
  await first.restore(entry, target);
  expect(first.scan(target)).toEqual(entry);
  await closeCache(first);
  const second = cacheIn(root);
  expect(second.scan(target)).toEqual(entry);
  expect(second.counters.hashes).toBe(0);
});

test('restoring over a link to a folder of somebody else leaves that folder alone', async () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  const target = plant(join(root, 'out'), { 's/x': '1' });
  const entry = await cache.save(target, target);
  const foreign = plant(join(root, 'foreign'), { x: 'precious', y: 'too' });
  rmSync(join(target, 's'), { recursive: true });
  symlinkSync(foreign, join(target, 's'));
  await cache.restore(entry, target);
  cache.forget(target);
  expect(cache.scan(target)).toEqual(entry);
  expect(readFileSync(join(foreign, 'x'), 'utf8')).toBe('precious');
});

test('equal bytes are stored once', async () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  await cache.save(plant(join(root, 'staged'), { a: LARGE, b: LARGE, 's/c': LARGE }), join(root, 'out'));
  await cache.save(plant(join(root, 'staged'), { d: LARGE }), join(root, 'out2'));
  await cache.commit([]);
  expect(objectsOf(cache)).toHaveLength(1);
});

test('a folder whose tree the index lost is not restored, and from then on not said to be there', async () => {
  const root = temporaryFolder();
  const target = plant(join(root, 'out'), { x: LARGE });
  const first = cacheIn(root);
  const entry = await first.save(target, target);
  await first.commit([]);
  await closeCache(first);
  const database = openDatabase(join(first.dir, 'index.mdb'), newCounters());
  database.write('trees', entry.digest, null);
  await database.flush();
  await database.close();
  rmSync(target, { recursive: true });
  const cache = cacheIn(root);
  expect(cache.has(entry)).toBe(true);
  await expect(cache.restore(entry, target)).rejects.toBeInstanceOf(StoreDamage);
  expect(cache.has(entry)).toBe(false);
});

test('a flipped byte in the store is found by a restore, set aside, and the next save heals it', async () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  const target = plant(join(root, 'out'), { x: LARGE, y: 'other' });
  const entry = await cache.save(target, target);
  await cache.commit([]);
  const digest = cache.files(entry)![0]!.digest;
  const object = join(cache.dir, 'objects', digest.slice(0, 2), digest.slice(2));
  chmodSync(object, 0o644);
  writeFileSync(object, LARGE.replace('h', 'j'));
  rmSync(target, { recursive: true });
  cache.forget(target);
  const failure = await cache.restore(entry, target).catch((error) => error);
  expect(failure).toBeInstanceOf(StoreDamage);
  expect(failure).toMatchObject({ digest, path: object });
  expect(failure.message).toContain('does not have the bytes its digest says');
  expect(cache.has(entry)).toBe(false);
  expect(readdirSync(join(cache.dir, 'damaged'))).toEqual([digest]);
  expect(await cache.save(plant(join(root, 'staged'), { x: LARGE, y: 'other' }), target)).toEqual(entry);
  await cache.commit([]);
  rmSync(target, { recursive: true });
  cache.forget(target);
  await cache.restore(entry, target);
  expect(cache.scan(target)).toEqual(entry);
});

test('a missing object is damage too, and a wrong file is never put in place', async () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  const file = join(root, 'f');
  writeFileSync(file, LARGE);
  const entry = await cache.save(file, file);
  await cache.commit([]);
  writeFileSync(file, 'mine');
  rmSync(join(cache.dir, 'objects', entry.digest.slice(0, 2)), { recursive: true });
  expect(cache.has(entry)).toBe(false);
  await expect(cache.restore(entry, file)).rejects.toThrow(/is missing/);
  expect(readFileSync(file, 'utf8')).toBe('mine');
});

test('a file whose digest was known by its stat is stored all the same', async () => {
  const root = temporaryFolder();
  const cache = cacheIn(root);
  const target = plant(join(root, 'out'), { x: '1' });
  await clockMoved(root);
  cache.scan(target);
  const entry = await cache.save(target, target);
  rmSync(target, { recursive: true });
  await cache.restore(entry, target);
  expect(readFileSync(join(target, 'x'), 'utf8')).toBe('1');
});

test('saving what is not there says so', async () => {
  const root = temporaryFolder();
  await expect(cacheIn(root).save(join(root, 'nothing'), join(root, 'out'))).rejects.toThrow(
    `nothing lies at ${root}/nothing: there is nothing to save`,
  );
});

test('as root nothing is hard-linked; as another user store and work tree share one read-only file', async () => {
  const root = temporaryFolder();
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    const cache = cacheIn(root, { link: 'hardlink' });
    writeFileSync(join(root, 'f'), LARGE);
    await cache.save(join(root, 'f'), join(root, 'f'));
    expect(statSync(join(root, 'f')).nlink).toBe(1);
  }
  const folder = join(root, 'user');
  mkdirSync(folder);
  if (isRoot) chownSync(folder, 65534, 65534);
  chmodSync(root, 0o755);
  const child = await startChild('hardlink', [folder], isRoot ? { uid: 65534 } : {});
  expect(JSON.parse(await child.line())).toEqual({ linked: true, writable: false, restored: true, relinked: true });
  expect(await child.ended).toBe(0);
});

test('a cache that cannot be written says what to do', () => {
  const root = temporaryFolder();
  writeFileSync(join(root, 'file'), '');
  expect(() => openCache({ dir: join(root, 'file/.dag') })).toThrow(/cannot write to the cache .*set DAG_CACHE/);
});

test('values put are seen at once and by the next process', async () => {
  const root = temporaryFolder();
  const first = cacheIn(root);
  first.put('meta', 'a', { n: [1, null, 'ü'] });
  expect(first.get('meta', 'a')).toEqual({ n: [1, null, 'ü'] });
  expect(first.get('nodes', 'a')).toBeUndefined();
  await closeCache(first);
  expect(cacheIn(root).get('meta', 'a')).toEqual({ n: [1, null, 'ü'] });
});

function objectsOf(cache: Cache): string[] {
  const root = join(cache.dir, 'objects');
  return readdirSync(root).flatMap((prefix) => readdirSync(join(root, prefix)));
}
