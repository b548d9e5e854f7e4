// `import.meta`, `__dirname` and `__filename` in a bundle are the source file's own, and what code names by them is a part of it.
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { openProject } from '../rigs/project.ts';
import { expectOther, expectSame, lookAt } from './rig.ts';

const task = (value: string) => `export default { run: async (ctx: any) => [${value}] };\n`;
const asset = (name: string) => task(`new URL('${name}', import.meta.url)`);

test('every file is told its own place, in ESM and in CommonJS, in threads too, and packages are found from there', async () => {
  const p = openProject({
    'pipeline.yml': 'tasks: { t: { use: tasks/t.ts, out: { o: out/o } } }\n',
    'tasks/t.ts': `#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { inner } from '../lib/inner.ts';
import old from 'old';
import type { B } from '../lib/inner.ts';
const { filename } = import.meta;
const own = [filename, import.meta.dirname, fileURLToPath(import.meta.url), import.meta.resolve('./x'), typeof import.meta.resolve('old')];
if (!isMainThread) parentPort!.postMessage(own);
export default { async run(ctx: any) {
  const thread = await new Promise((resolve) => new Worker(ctx.bundle).once('message', resolve));
  const required = createRequire(import.meta.url)('near');
  writeFileSync(ctx.output('o'), JSON.stringify({ own, thread, inner, old, required }));
} };`,
    'lib/inner.ts': 'export interface B {}\nexport const inner = import.meta.filename;',
    'tasks/node_modules/near/package.json': '{ "name": "near", "version": "1.0.0" }',
    'tasks/node_modules/near/index.js': 'module.exports = 3;',
    'packages/old/package.json': '{ "name": "old" }',
    'packages/old/index.js': '"use strict";\nmodule.exports = [__dirname, __filename];',
  });
  mkdirSync(p.path('node_modules'));
  symlinkSync('../packages/old', p.path('node_modules/old'));
  const { code, stderr } = await p.dag('run');
  expect(code, stderr).toBe(0);
  const own = [p.path('tasks/t.ts'), p.path('tasks'), p.path('tasks/t.ts'), pathToFileURL(p.path('tasks/x')).href];
  expect(JSON.parse(p.read('out/o'))).toEqual({
    own: [...own, 'string'],
    thread: [...own, 'string'],
    inner: p.path('lib/inner.ts'),
    old: [p.path('packages/old'), p.path('packages/old/index.js')],
    required: 3,
  });
});

test('a file that is named beside the code is read from there, counts by its content, and is told by name', async () => {
  const p = openProject({
    'pipeline.yml': 'tasks: { t: { use: tasks/t.ts, out: { o: out/o } } }\n',
    'tasks/t.ts':
      "import { readFileSync, writeFileSync } from 'node:fs';\nexport default { run: (ctx: any) => writeFileSync(ctx.output('o'), readFileSync(new URL('./words.txt', import.meta.url))) };\n",
    'tasks/words.txt': 'one',
  });
  const { stderr } = await p.dag('run');
  expect(stderr).not.toContain('without declaring it');
  expect(p.read('out/o')).toBe('one');
  for (let looks = 0; looks < 2; looks++) expect((await p.run()).ran).toEqual([]);
  p.write('tasks/words.txt', 'two');
  expect((await p.dag('why', 't')).stdout).toMatch(/code asset tasks\/words\.txt: [0-9a-f]{12} → [0-9a-f]{12}/);
  expect((await p.run()).ran).toEqual(['t']);
  expect(p.read('out/o')).toBe('two');
});

test('one that is edited while the node runs leaves no record', async () => {
  const p = openProject({
    'pipeline.yml': 'tasks: { t: { use: t.ts, out: { o: out/o } } }\n',
    't.ts': `import { existsSync, readFileSync, writeFileSync } from 'node:fs';
export default { async run(ctx: any) {
  writeFileSync(ctx.output('o'), readFileSync(new URL('words.txt', import.meta.url)));
  writeFileSync('t.began', '');
  while (!existsSync('t.go')) await new Promise((r) => setTimeout(r, 10));
} };`,
    'words.txt': 'one',
  });
  const run = p.dag('run');
  await p.until('t.began');
  p.write('words.txt', 'two');
  p.write('t.go', '');
  const answer = await run;
  expect(answer.code).toBe(1);
  expect(answer.stderr).toContain('its input words.txt changed while it ran, so its result was not recorded');
});

test('a folder that is named counts with all that is in it; the folder of the code itself is only a place', async () => {
  const looked = lookAt({
    'tasks/t.ts': asset('../data/'),
    'tasks/other.txt': '',
    'data/a/b': '1',
  });
  await expectOther(looked, () => looked.project.write('data/a/c', '2'));
  await expectOther(looked, () => rmSync(looked.project.path('data/a/b')));
  await expectOther(looked, () => rmSync(looked.project.path('data'), { recursive: true }));
  looked.project.write('tasks/t.ts', task("new URL('.', import.meta.url), new URL('..', import.meta.url)"));
  await expectSame(looked, () => looked.project.write('tasks/other.txt', 'more'));
});

test.each([
  ['a URL by its place', "new URL('./a.txt', import.meta.url)"],
  ['one without a dot, as a template', 'new URL(`a.txt`, import.meta.url)'],
  ['one with a query', "new URL('./a.txt?raw#top', import.meta.url).pathname"],
  ['one over several lines', "new URL(\n  'a.txt',\n  import.meta.url,\n)"],
  ['what is resolved from there', "import.meta.resolve('./a.txt')"],
])('%s is in the key', async (_, value) => {
  const looked = lookAt({ 'tasks/t.ts': task(value), 'tasks/a.txt': '1' });
  await expectOther(looked, () => looked.project.write('tasks/a.txt', '2'));
  await expectOther(looked, () => rmSync(looked.project.path('tasks/a.txt')));
  expect((await looked.code()).assets).toEqual({ 'tasks/a.txt': '' });
});

test('addresses elsewhere, and a comment on the place, are nothing', async () => {
  const looked = lookAt({ 'tasks/t.ts': task("new URL('https://example.org/a', import.meta.url)") });
  expect(await looked.code()).not.toHaveProperty('assets');
  looked.project.write('tasks/t.ts', task('1'));
  await expectSame(looked, () => looked.project.write('tasks/t.ts', `// import.meta.url, __dirname\n${task('1')}`));
});

test('a name that is only known when it runs is told, and what a named program imports', async () => {
  const looked = lookAt({
    'tasks/t.ts': task("new URL(`./${ctx.params}.txt`, import.meta.url), new URL('./thread.js', import.meta.url)"),
    'tasks/thread.js': "import './more.js';",
  });
  expect((await looked.code()).warnings).toEqual([
    'tasks/t.ts names tasks/thread.js: that file is in the key, what it imports is not',
    'tasks/t.ts names a file beside it that is only known when it runs: its content is not in the key; write the name out, or declare the file in `in:`',
  ]);
});

test('the place counts within the project, where code asks for it, and nowhere else', async () => {
  const files = { 'tasks/t.ts': asset('./a.txt'), 'tasks/a.txt': '1' };
  const [one, two] = [lookAt(files), lookAt(files)];
  expect((await one.code()).digest).toBe((await two.code()).digest);
  const moved = lookAt({
    'tasks/t.ts': "export { default } from './one.ts';",
    'tasks/one.ts': task('import.meta.url'),
  });
  const move = () => {
    renameSync(moved.project.path('tasks/one.ts'), moved.project.path('tasks/two.ts'));
    moved.project.edit('tasks/t.ts', 'one', 'two');
  };
  await expectOther(moved, move);
  const requiring = "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n";
  for (const text of [task('1'), requiring + task("require('lib'), import.meta.resolve('lib')")]) {
    moved.project.write('tasks/one.ts', text);
    moved.project.edit('tasks/t.ts', 'two', 'one');
    await expectSame(moved, move);
  }
});
