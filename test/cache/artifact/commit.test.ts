import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Cache, Entry } from '../../../cache/index.ts';
import { cacheIn, plant, startChild, temporaryFolder } from '../rig.ts';

const STEPS = ['stored', 'swapped', 'synced', 'placed', 'durable', 'recorded'];
/** Beyond what is kept in the index. */
const LARGE = 'hello'.repeat(1000);

test.each(STEPS)('a kill at the step "%s" leaves the old record or a complete new one', async (step) => {
  const root = temporaryFolder();
  const child = await startChild('publish', [root, step, '3', 'n']);
  expect(await child.ended).toBe('SIGKILL');
  const cache = cacheIn(root);
  expect(readdirSync(join(cache.dir, 'tmp'))).toEqual([]); // What the killed process left there is gone.
  expect(await restorable(cache, root, 'n0')).toBe(true);
  expect(cache.get('records', 'n1') !== undefined).toBe(step === 'recorded');
  if (step === 'recorded') expect(await restorable(cache, root, 'n1')).toBe(true);
  // The same work can be done again.
  rmSync(join(root, 'staged-n1'), { recursive: true, force: true });
  const again = await startChild('publish', [root, 'never', '3', 'n']);
  rmSync(join(root, 'staged-n0'), { recursive: true, force: true });
  expect(await again.ended).toBe(0);
  for (const name of ['n0', 'n1', 'n2']) expect(await restorable(cache, root, name)).toBe(true);
});

test('bytes come into the store only after they were synced, and a record only after they came', async () => {
  const root = temporaryFolder();
  const seen: Record<string, unknown> = {};
  const cache: Cache = cacheIn(root, {
    onStep: (step) => {
      seen[step] = { objects: countObjects(cache), syncs: cache.counters.syncs > 0 };
    },
  });
  const file = join(root, 'f');
  writeFileSync(file, LARGE);
  const entry = await cache.save(file, file);
  await cache.commit([{ space: 'records', id: 'r', value: entry }]);
  expect(seen).toEqual({
    stored: { objects: 0, syncs: false },
    swapped: { objects: 0, syncs: false },
    synced: { objects: 0, syncs: true },
    placed: { objects: 1, syncs: true },
    durable: { objects: 1, syncs: true },
    recorded: { objects: 1, syncs: true },
  });
});

test('commits that come together share barriers, and each resolves when its own record is there', async () => {
  const root = temporaryFolder();
  let barriers = 0;
  const cache = cacheIn(root, {
    onStep: (step) => {
      if (step === 'recorded') barriers++;
    },
  });
  const commits = Array.from({ length: 50 }, async (_, at) => {
    const staged = plant(join(root, `staged${at}`), { x: `${at}${LARGE}` });
    const entry = await cache.save(staged, join(root, `out/${at}`));
    await cache.commit([{ space: 'records', id: `${at}`, value: entry }]);
    expect(cache.get('records', `${at}`)).toEqual(entry);
    expect(cache.has(entry)).toBe(true);
  });
  await Promise.all(commits);
  expect(barriers).toBeLessThan(50);
  expect(countObjects(cache)).toBe(50);
});

test('two processes commit to one cache at once, and no record is lost', async () => {
  const root = temporaryFolder();
  const children = await Promise.all(['a', 'b'].map((prefix) => startChild('publish', [root, 'never', '20', prefix])));
  expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0]);
  const cache = cacheIn(root);
  for (const prefix of ['a', 'b']) {
    for (let at = 0; at < 20; at++) expect(await restorable(cache, root, `${prefix}${at}`)).toBe(true);
  }
});

test('a failed barrier rejects its commits, writes no record, and the next one makes good', async () => {
  const root = temporaryFolder();
  let fail = true;
  const cache = cacheIn(root, {
    onStep: (step) => {
      if (step === 'synced' && fail) throw new Error('disk full');
    },
  });
  const file = join(root, 'f');
  writeFileSync(file, LARGE);
  const entry = await cache.save(file, file);
  await expect(cache.commit([{ space: 'records', id: 'r', value: entry }])).rejects.toThrow('disk full');
  expect(cache.get('records', 'r')).toBeUndefined();
  fail = false;
  await cache.commit([{ space: 'records', id: 'r', value: entry }]);
  expect(countObjects(cache)).toBe(1);
});

async function restorable(cache: Cache, root: string, name: string): Promise<boolean> {
  const entry = cache.get('records', name) as Entry | undefined;
  if (!entry || !cache.has(entry)) return false;
  const target = join(root, `restored-${name}`);
  rmSync(target, { recursive: true, force: true });
  await cache.restore(entry, target);
  return readFileSync(join(target, 'f2'), 'utf8') === `${name} 2 `.padEnd(10_000, '.');
}

function countObjects(cache: Cache): number {
  const root = join(cache.dir, 'objects');
  if (!existsSync(root)) return 0;
  return readdirSync(root).reduce((sum, prefix) => sum + readdirSync(join(root, prefix)).length, 0);
}
