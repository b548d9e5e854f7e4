import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { sha256 } from '../../../cache/index.ts';
import { cacheIn, clockMoved, closeCache, plant, temporaryFolder } from '../rig.ts';

test('a file is its bytes, a folder counts its files and bytes, and nothing is null', () => {
  const root = temporaryFolder();
  plant(root, { 'a/x': 'hello', 'a/s/y': 'you', 'a/empty/': '' });
  const cache = cacheIn(root);
  expect(cache.scan(join(root, 'a/x'))).toEqual({ kind: 'file', digest: sha256('hello'), sizeBytes: 5, files: 1 });
  expect(cache.scan(join(root, 'a'))).toMatchObject({ kind: 'folder', sizeBytes: 8, files: 2 });
  expect(cache.scan(join(root, 'b'))).toBeNull();
  expect(cache.scan(join(root, 'a/x/under-a-file'))).toBeNull();
});

test('a second process hashes nothing, writes nothing, and stats each file once', async () => {
  const root = temporaryFolder();
  plant(root, { 'a/x': '1', 'a/y': '2', 'a/s/z': '3', f: '4' });
  await clockMoved(root);
  const first = cacheIn(root);
  const entries = [first.scan(join(root, 'a')), first.scan(join(root, 'f'))];
  expect(first.counters.hashes).toBe(4);
  await closeCache(first);
  const second = cacheIn(root);
  expect([second.scan(join(root, 'a')), second.scan(join(root, 'f'))]).toEqual(entries);
  expect(second.counters).toMatchObject({ hashes: 0, indexBytes: 0, folders: 0, stats: 6 });
});

test('parts of a folder that was looked at are answered without another stat', () => {
  const root = temporaryFolder();
  plant(root, { 'a/x': '1', 'a/s/y': '2' });
  const cache = cacheIn(root);
  cache.scan(join(root, 'a'));
  const stats = cache.counters.stats;
  expect(cache.scan(join(root, 'a/x'))?.digest).toBe(sha256('1'));
  expect(cache.scan(join(root, 'a/s'))).toMatchObject({ kind: 'folder', files: 1 });
  expect(cache.scan(join(root, 'a/s/y'))?.digest).toBe(sha256('2'));
  expect(cache.scan(join(root, 'a/nothing'))).toBeNull();
  expect(cache.counters.stats).toBe(stats);
});

test('what was looked at is remembered until it is forgotten, by its own name or one above or beneath', () => {
  const root = temporaryFolder();
  plant(root, { 'a/s/x': '1' });
  const cache = cacheIn(root);
  for (const name of ['a', 'a/s', 'a/s/x']) {
    writeFileSync(join(root, 'a/s/x'), `old ${name}`);
    cache.forget(join(root, 'a'));
    const before = cache.scan(join(root, 'a'))!;
    writeFileSync(join(root, 'a/s/x'), `new ${name}`);
    expect(cache.scan(join(root, 'a'))).toEqual(before);
    cache.forget(join(root, name));
    expect(cache.scan(join(root, 'a'))?.digest).not.toBe(before.digest);
    expect(cache.scan(join(root, 'a/s/x'))?.digest).toBe(sha256(`new ${name}`));
  }
});

test('a look at a folder replaces what was remembered of its files by themselves', () => {
  const root = temporaryFolder();
  const a = plant(join(root, 'a'), { x: '1', y: '2' });
  const cache = cacheIn(root);
  for (const name of ['x', 'y', 'z', 'z/deep']) cache.scan(join(a, name));
  plant(a, { x: 'new', 'z/deep': '3' });
  rmSync(join(a, 'y'));
  expect(cache.scan(join(a, 'x'))?.digest).toBe(sha256('1'));
  expect(cache.scan(join(a, 'z/deep'))).toBeNull();
  cache.scan(a);
  expect(cache.scan(join(a, 'x'))?.digest).toBe(sha256('new'));
  expect(cache.scan(join(a, 'y'))).toBeNull();
  expect(cache.scan(join(a, 'z'))?.kind).toBe('folder');
  expect(cache.scan(join(a, 'z/deep'))?.digest).toBe(sha256('3'));
});

test('an edit of the same size right after hashing is seen, although the times may not have moved', async () => {
  const root = temporaryFolder();
  const file = join(root, 'f');
  for (let round = 0; round < 20; round++) {
    const cache = cacheIn(root);
    writeFileSync(file, `a${round % 10}`);
    expect(cache.scan(file)?.digest).toBe(sha256(`a${round % 10}`));
    writeFileSync(file, `b${round % 10}`);
    await closeCache(cache);
    const next = cacheIn(root);
    expect(next.scan(file)?.digest).toBe(sha256(`b${round % 10}`));
    await closeCache(next);
  }
});

test('a file hashed in the tick of its last write is hashed once more, and then no more', async () => {
  const root = temporaryFolder();
  const hashes: number[] = [];
  for (let run = 0; run < 3; run++) {
    const cache = cacheIn(root);
    if (run === 0) plant(root, { 'a/x': '1' });
    cache.scan(join(root, 'a'));
    hashes.push(cache.counters.hashes);
    await closeCache(cache);
    await clockMoved(root);
  }
  expect(hashes).toEqual([1, 1, 0]);
});

test('an edit of the same size whose mtime was put back is seen by its ctime', async () => {
  const root = temporaryFolder();
  const file = join(plant(join(root, 'a'), { f: 'before' }), 'f');
  const when = new Date(2020, 1, 1);
  utimesSync(file, when, when);
  await clockMoved(root);
  const cache = cacheIn(root);
  const old = cache.scan(join(root, 'a'))!;
  writeFileSync(file, 'edited');
  utimesSync(file, when, when);
  expect(statSync(file).mtimeMs).toBe(when.getTime());
  expect(cache.changedSince(join(root, 'a'), old)).toBe(true);
  expect(cache.scan(file)?.digest).toBe(sha256('edited'));
});

test('another file of the same size and time renamed over the first is seen', async () => {
  const root = temporaryFolder();
  const when = new Date(2020, 1, 1);
  for (const [name, text] of Object.entries({ f: 'one', g: 'two' })) {
    writeFileSync(join(root, name), text);
    utimesSync(join(root, name), when, when);
  }
  await clockMoved(root);
  const cache = cacheIn(root);
  const old = cache.scan(join(root, 'f'))!;
  renameSync(join(root, 'g'), join(root, 'f'));
  expect(cache.changedSince(join(root, 'f'), old)).toBe(true);
});

test('a renamed, an added and a removed file each change the folder, and putting it back restores the digest', () => {
  const root = temporaryFolder();
  const a = plant(join(root, 'a'), { x: '1', y: '2' });
  const cache = cacheIn(root);
  const seen = new Set([cache.scan(a)!.digest]);
  const look = () => {
    cache.forget(a);
    return cache.scan(a)!.digest;
  };
  renameSync(join(a, 'x'), join(a, 'z'));
  seen.add(look());
  writeFileSync(join(a, 'w'), '1');
  seen.add(look());
  rmSync(join(a, 'y'));
  seen.add(look());
  mkdirSync(join(a, 'empty'));
  seen.add(look());
  expect(seen.size).toBe(5);
  rmSync(a, { recursive: true });
  plant(a, { y: '2', x: '1' });
  expect(seen.has(look())).toBe(true);
});

test('changedSince is false for an input that was only read', () => {
  const root = temporaryFolder();
  const a = plant(join(root, 'a'), { x: '1' });
  const cache = cacheIn(root);
  const entry = cache.scan(a)!;
  readFileSync(join(a, 'x'));
  expect(cache.changedSince(a, entry)).toBe(false);
  expect(cache.changedSince(join(root, 'gone'), entry)).toBe(true);
});

test('the executable bit of a file changes its digest, other bits do not', () => {
  const root = temporaryFolder();
  const file = join(root, 'run.sh');
  writeFileSync(file, 'echo', { mode: 0o644 });
  const cache = cacheIn(root);
  const look = (mode: number) => {
    chmodSync(file, mode);
    cache.forget(file);
    return cache.scan(file)!.digest;
  };
  expect(look(0o600)).toBe(look(0o644));
  expect(look(0o755)).not.toBe(look(0o644));
  expect(look(0o700)).toBe(look(0o755));
});

test('a link counts as what it points to, for files and for folders', () => {
  const root = temporaryFolder();
  plant(root, { 'real/x': '1', 'real/s/y': '2', 'copy/x': '1', 'copy/s/y': '2', 'linked/': '' });
  symlinkSync('../real/x', join(root, 'linked/x'));
  symlinkSync('../real/s', join(root, 'linked/s'));
  const cache = cacheIn(root);
  expect(cache.scan(join(root, 'linked'))).toEqual(cache.scan(join(root, 'copy')));
  const before = cache.scan(join(root, 'linked'))!;
  writeFileSync(join(root, 'real/s/y'), '3');
  expect(cache.changedSince(join(root, 'linked'), before)).toBe(true);
});

test('a link to nothing, a loop, a pipe and a socket are errors that name them', async () => {
  const root = temporaryFolder();
  plant(root, { 'dangling/': '', 'loop/inner/': '', 'pipe/': '', 'socket/': '' });
  symlinkSync('nowhere', join(root, 'dangling/l'));
  symlinkSync('..', join(root, 'loop/inner/up'));
  execFileSync('mkfifo', [join(root, 'pipe/p')]);
  const server = createServer().listen(join(root, 'socket/s'));
  await new Promise((resolve) => server.once('listening', resolve));
  const cache = cacheIn(root);
  expect(() => cache.scan(join(root, 'dangling'))).toThrow(`${root}/dangling/l is a link to nothing. Remove it`);
  expect(() => cache.scan(join(root, 'loop'))).toThrow(
    `${root}/loop/inner/up leads back to ${root}/loop, which it lies in: the folder has no end. Remove the link.`,
  );
  expect(() => cache.scan(join(root, 'pipe'))).toThrow(`${root}/pipe/p is a pipe: only files and folders have content`);
  expect(() => cache.scan(join(root, 'socket'))).toThrow(`${root}/socket/s is a socket`);
  await new Promise((resolve) => server.close(resolve));
});

test('warm hashes everything at once, so that look hashes nothing', async () => {
  const root = temporaryFolder();
  plant(root, { 'a/x': '1', 'a/s/y': '2', f: '3' });
  const cold = cacheIn(join(root, 'other'));
  const paths = [join(root, 'a'), join(root, 'f'), join(root, 'nothing')];
  const expected = paths.map((path) => cold.scan(path));
  const cache = cacheIn(root);
  await cache.warm(paths);
  expect(cache.counters.hashes).toBe(3);
  expect(paths.map((path) => cache.scan(path))).toEqual(expected);
  expect(cache.counters.hashes).toBe(3);
});

test('warm on threads gives the digests that look gives', async () => {
  const root = temporaryFolder();
  const tree = Object.fromEntries(Array.from({ length: 4100 }, (_, at) => [`a/f${at}`, `content ${at}`]));
  plant(root, tree);
  const cache = cacheIn(root);
  await cache.warm([join(root, 'a')]);
  const entry = cache.scan(join(root, 'a'))!;
  expect(cache.counters.hashes).toBe(4100);
  expect(cache.files(entry)?.find((file) => file.path === 'f77')?.digest).toBe(sha256('content 77'));
  expect(cacheIn(join(root, 'other')).scan(join(root, 'a'))).toEqual(entry);
});

test('paths beyond the index key limit are looked at like any other', async () => {
  const root = temporaryFolder();
  const deep = `a/${Array.from({ length: 12 }, () => 'd'.repeat(100)).join('/')}`;
  plant(root, { [`${deep}/x`]: '1' });
  await clockMoved(root);
  const cache = cacheIn(root);
  const entry = cache.scan(join(root, 'a'));
  cache.scan(join(root, deep, 'x'));
  await closeCache(cache);
  const next = cacheIn(root);
  expect(next.scan(join(root, 'a'))).toEqual(entry);
  expect(next.counters.hashes).toBe(0);
});

test('a file that is written in the very millisecond in which it is asked for was written', () => {
  const root = temporaryFolder();
  plant(root, { f: '1' });
  const file = join(root, 'f');
  const cache = cacheIn(root);
  const entry = cache.scan(file)!;
  const nowMs = Date.now() + 60_000; // Whatever the ctime is.
  utimesSync(file, nowMs / 1000, (nowMs + 0.5) / 1000);
  vi.spyOn(Date, 'now').mockReturnValue(nowMs);
  const [touched, given] = [nowMs - 1, nowMs + 1].map((sinceMs) => cache.touchedSince(file, entry, sinceMs));
  vi.restoreAllMocks();
  expect(touched).toBe('touched');
  expect(given).toBeNull();
});
