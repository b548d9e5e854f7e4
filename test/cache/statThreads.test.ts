import { lstatSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newStatThreads, statAt } from '../../cache/statThreads.ts';
import { plant, temporaryFolder } from './rig.ts';

test('threads stat as lstat does, in the order of the names, and leave links and what is gone to be asked again', async () => {
  const root = plant(
    temporaryFolder(),
    Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`f ${at}ü`, 'x'.repeat(at)])),
  );
  plant(root, { 'folder/x': '' });
  symlinkSync('folder', join(root, 'link'));
  const names = [...Array.from({ length: 101 }, (_, at) => `f ${at}ü`), 'folder', 'gone', 'link'];
  const threads = newStatThreads();
  for (const asked of [names, names.slice(0, 1)]) {
    const table = await threads.stat(root, asked);
    if (!table) return expect(asked).toBe(names); // One core: nothing to share.
    for (const [at, name] of asked.entries()) {
      if (name === 'gone' || name === 'link') {
        expect(statAt(table, at)).toBeNull();
        continue;
      }
      const { size, mtimeMs, ctimeMs, ino, dev, mode } = lstatSync(join(root, name));
      expect(statAt(table, at)).toEqual({ size, mtimeMs, ctimeMs, ino, dev, mode });
    }
  }
  await threads.close();
});
