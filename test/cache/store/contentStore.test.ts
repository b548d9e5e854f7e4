// The contract of a content store, asked of every kind there is.
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openDatabase } from '../../../cache/db/database.ts';
import { executableDigest, sha256 } from '../../../cache/hash/digest.ts';
import { chunkDigest, encodeFolder, folderDigest } from '../../../cache/hash/merkle.ts';
import type { Content, ContentStore } from '../../../cache/store/contentStore.ts';
import { openObjects } from '../../../cache/store/objects.ts';
import { newCounters } from '../../../cache/types.ts';
import { temporaryFolder } from '../rig.ts';

interface Kind {
  readonly store: ContentStore;
  /** A new file where the store has its temporary ones. */
  file(bytes: string): Content;
  /** What was written is where it will stay, as after a commit, and was put there an hour ago. */
  settle(): void;
  /** Plants a tree's node under a digest. */
  plant(digest: string, node: Buffer): void;
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;

function onDisk(): Kind {
  const dir = temporaryFolder();
  const database = openDatabase(join(dir, 'index.mdb'), newCounters());
  const store = openObjects(dir, database);
  return {
    store,
    file(bytes) {
      const path = store.temporary();
      writeFileSync(path, bytes);
      return { path };
    },
    settle() {
      store.place(new Map(store.waiting()));
      const then = (Date.now() - HOUR_MS) / 1000;
      for (const { path } of store.files()) utimesSync(path, then, then);
    },
    plant: (digest, node) => database.write('trees', digest, node),
    async close() {
      await store.close();
      await database.close();
    },
  };
}

const opened: Kind[] = [];
afterEach(() => Promise.all(opened.splice(0).map((kind) => kind.close())));

const bytesOf = (content: Content | null) =>
  content && (content.path === null ? Buffer.from(content.bytes) : readFileSync(content.path)).toString();

describe.each([['on this disk', onDisk]] as const)('a store %s', (_, open) => {
  const kind = () => {
    const one = open();
    opened.push(one);
    return one;
  };

  test('has what was written, large or small, and gives it back', () => {
    const { store, file, settle } = kind();
    const [large, small] = ['a'.repeat(10_000), 'a'];
    const script = executableDigest(sha256('#!'));
    expect([store.has(sha256(large)), store.read(sha256(small))]).toEqual([false, null]);
    store.write(sha256(large), file(large));
    store.write(sha256(small), { path: null, bytes: Buffer.from(small), executable: false });
    store.write(script, { path: null, bytes: Buffer.from('#!'), executable: true });
    for (const _when of ['before', 'after']) {
      expect([sha256(large), sha256(small), script].map(store.has)).toEqual([true, true, true]);
      expect(bytesOf(store.read(sha256(large)))).toBe(large);
      expect(bytesOf(store.read(sha256(small)))).toBe(small);
      expect(store.read(script)).toMatchObject({ executable: true });
      settle();
    }
  });

  test('takes the same bytes twice', () => {
    const { store, file, settle } = kind();
    store.write(sha256('twice'), file('twice'));
    store.write(sha256('twice'), file('twice'));
    settle();
    expect(bytesOf(store.read(sha256('twice')))).toBe('twice');
  });

  test('deletes what nobody came to count on since, and says which', () => {
    const { store, file, settle } = kind();
    const [old, never] = [sha256('old'), sha256('never')];
    store.write(old, file('old'));
    settle();
    expect(store.delete([old, never], Date.now() - 10 * HOUR_MS)).toEqual(new Set());
    expect(store.has(old)).toBe(true);
    expect(store.delete([old, never], Date.now())).toEqual(new Set([old]));
    expect([store.has(old), store.read(old)]).toEqual([false, null]);
  });

  test('gives a node of a tree where its bytes are what its digest says, and else none', () => {
    const { store, plant } = kind();
    const chunk = Buffer.from('lines');
    const node = encodeFolder({ sizeBytes: 5, files: 1, chunks: [chunkDigest(chunk)] });
    const folder = folderDigest([chunkDigest(chunk)]);
    plant(chunkDigest(chunk), chunk);
    plant(folder, node);
    expect([store.tree(chunkDigest(chunk)), store.tree(folder)]).toEqual([chunk, node]);
    plant(folder, chunk);
    expect([store.tree(folder), store.tree(sha256('elsewhere'))]).toEqual([null, null]);
  });
});
