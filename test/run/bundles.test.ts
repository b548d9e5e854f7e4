// Bundles: what runs is what the key was made of, whatever an editor does while it is read.
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { openCache } from '../../cache/index.ts';
import { codeOf } from '../../engine/plan/code/digest.ts';
import { CodeChanged, createBundles } from '../../engine/run/bundles.ts';
import { createProject, type Project } from '../rigs/project.ts';

let project: Project | null = null;
afterEach(() => project?.remove());

const module = (word: string) => `export default { run: () => ${JSON.stringify(word)} };\n`;

/** Asks for the bundle of `a.ts`, whose key is made of the word `old`, while it is as `edit` makes it just when it has been bundled. */
async function bundleOf(p: Project, edit: () => void): Promise<string> {
  const root = p.path('.');
  const cache = openCache({ dir: p.path('.dag') });
  const code = (await codeOf(root, ['a.ts'], cache)).get('a.ts')!;
  if (!code.ok) throw new Error(code.error);
  p.write('a.ts', module('new'));
  const edited: typeof cache = {
    ...cache,
    get(space, id) {
      edit(); // This asks what the code is by now.
      return cache.get(space, id);
    },
  };
  const bundles = createBundles(root, p.path('.dag/code'), new Map([['a.ts', code.value]]), edited);
  return bundles('a.ts')
    .finally(cache.close)
    .then(({ file }) => readFileSync(file, 'utf8'));
}

test('a module that is another one for the moment in which it is read is read again', async () => {
  project = createProject({ 'a.ts': module('old') });
  const bundle = await bundleOf(project, () => project!.write('a.ts', module('old')));
  expect(bundle).toContain('"old"');
  expect(bundle).not.toContain('"new"');
});

test('one that does not come to rest is not started', async () => {
  project = createProject({ 'a.ts': module('old') });
  let edits = 0;
  const bundle = bundleOf(project, () => project!.write('a.ts', `// ${edits++}\n${module('old')}`));
  await expect(bundle).rejects.toThrow(new CodeChanged('a.ts was edited while it was read, so it was not started'));
});
