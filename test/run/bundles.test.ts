// Bundles: what runs is what the key was made of, whatever an editor does while it is read.
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openCache } from '../../cache/index.ts';
import { codeOf } from '../../engine/plan/code.ts';
import { CodeChanged, createBundles } from '../../engine/run/bundles.ts';
import { createProject, type Project } from '../rigs/project.ts';

let project: Project | null = null;
afterEach(() => project?.remove());

const module = (word: string) => `export default { run: () => ${JSON.stringify(word)} };\n`;

test('a module that is another one for the moment in which it is read is not started', async () => {
  const p = createProject({ 'a.ts': module('old') });
  project = p;
  const root = p.path('.');
  const cache = openCache({ dir: p.path('.dag') });
  const codes = new Map(
    [...(await codeOf(root, ['a.ts'], cache))].map(([name, code]) => [name, code.ok && code.value]),
  );
  p.write('a.ts', module('new'));
  // Once it is bundled the engine asks what the code is now, and the edit is undone just before.
  const undone: typeof cache = {
    ...cache,
    get(space, id) {
      p.write('a.ts', module('old'));
      return cache.get(space, id);
    },
  };
  const bundles = createBundles(root, path.join(root, '.dag/code'), codes as never, undone);
  await expect(bundles('a.ts')).rejects.toThrow(
    new CodeChanged('a.ts was edited while it was read, so it was not started'),
  );
  const again = createBundles(root, path.join(root, '.dag/code'), codes as never, cache);
  expect((await again('a.ts')).file).toContain('a_ts-');
  await cache.close();
});
