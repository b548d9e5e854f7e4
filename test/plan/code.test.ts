// What is in a module's code digest beyond the files that it imports by their names: linked packages, imports that leave
// something to be found, code required by other ways; and what is told where something cannot be known.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';
import { expectOther, lookAt } from './rig.ts';

let p: Project;
afterEach(() => p?.remove());

const task = (imports: string, value: string) =>
  `import { writeFileSync } from 'node:fs';\n${imports}\nexport default { async run(ctx: any) { writeFileSync(ctx.output('o'), String(${value})); } };\n`;

const PIPELINE = 'tasks: { t: { use: tasks/t.ts, out: { o: out/o } } }\n';

async function projectWith(files: Record<string, string>): Promise<Project> {
  p = createProject({ 'pipeline.yml': PIPELINE, ...files });
  return p;
}

/** Runs, and returns what the task wrote; it must be fresh afterwards, until the runs without work are told by stats alone. */
async function made(): Promise<string> {
  const answer = await p.dag('run');
  expect(answer.code, answer.stderr).toBe(0);
  for (let looks = 0; looks < 2; looks++) expect((await p.run()).ran).toEqual([]);
  return p.read('out/o');
}

test('a file that comes to stand before the one that an import without extension means', async () => {
  await projectWith({ 'tasks/t.ts': task("import { v } from './v';", 'v'), 'tasks/v/index.ts': 'export const v = 1;' });
  expect(await made()).toBe('1');
  p.write('tasks/v.ts', 'export const v = 2;');
  expect(await made()).toBe('2');
  rmSync(p.path('tasks/v.ts'));
  expect(await made()).toBe('1');
});

test('a .js that comes to stand before the .ts that was meant by its name', async () => {
  await projectWith({ 'tasks/t.ts': task("import { v } from './v.js';", 'v'), 'tasks/v.ts': 'export const v = 1;' });
  expect(await made()).toBe('1');
  p.write('tasks/v.js', 'export const v = 2;');
  expect(await made()).toBe('2');
});

test('JSON, and code that is imported while the task runs', async () => {
  await projectWith({
    'tasks/t.ts': task(
      "import data from './data.json' with { type: 'json' };",
      "data.v + (await import('./later.ts')).v",
    ),
    'tasks/data.json': '{ "v": 1 }',
    'tasks/later.ts': 'export const v = 10;',
  });
  expect(await made()).toBe('11');
  p.write('tasks/data.json', '{ "v": 2 }');
  expect(await made()).toBe('12');
  p.write('tasks/later.ts', 'export const v = 20;');
  expect(await made()).toBe('22');
});

test('files that a pattern in an import means, new ones too', async () => {
  await projectWith({
    'tasks/t.ts': task(
      "const names = ['a', 'b'];",
      '(await Promise.all(names.map(async (n) => { try { return (await import(`./plug/${n}.ts`)).default; } catch { return 0; } }))).join()',
    ),
    'tasks/plug/a.ts': 'export default 1;',
  });
  expect(await made()).toBe('1,0');
  p.write('tasks/plug/b.ts', 'export default 2;');
  expect(await made()).toBe('1,2');
});

test('what package.json maps an import to', async () => {
  const manifest = (file: string) => JSON.stringify({ type: 'module', imports: { '#v': file } });
  await projectWith({
    'package.json': manifest('./a.ts'),
    'tasks/t.ts': task("import { v } from '#v';", 'v'),
    'a.ts': 'export const v = 1;',
    'b.ts': 'export const v = 2;',
  });
  expect(await made()).toBe('1');
  p.write('package.json', manifest('./b.ts'));
  expect(await made()).toBe('2');
});

test('the source of a package that is a link, in ESM and in CommonJS, with packages of its own', async () => {
  await projectWith({
    'tasks/t.ts': task("import { v } from 'lib'; import old from 'old';", 'v + old'),
    'packages/lib/package.json': '{ "name": "lib", "type": "module", "exports": "./src/index.ts" }',
    'packages/lib/src/index.ts': "import inner from 'inner';\nexport const v = inner + 10;",
    'packages/lib/node_modules/inner/package.json': '{ "name": "inner", "version": "1.0.0" }',
    'packages/lib/node_modules/inner/index.js': 'module.exports = 1;',
    'packages/old/package.json': '{ "name": "old" }',
    'packages/old/index.js': "module.exports = require('node:path').basename('/100') * 1;",
  });
  mkdirSync(p.path('node_modules'));
  for (const name of ['lib', 'old']) symlinkSync(`../packages/${name}`, p.path(`node_modules/${name}`));
  expect(await made()).toBe('111');
  p.edit('packages/lib/src/index.ts', '10', '20');
  expect(await made()).toBe('121');
  p.edit('packages/lib/src/index.ts', '20', '20 /* twenty */');
  expect((await p.run()).ran).toEqual([]);
  p.edit('packages/old/index.js', '/100', '/200');
  expect(await made()).toBe('221');
  const inner = 'packages/lib/node_modules/inner';
  p.write(`${inner}/index.js`, 'module.exports = 2;');
  p.write(`${inner}/package.json`, '{ "name": "inner", "version": "1.1.0" }');
  const { stdout } = await p.dag('why', 't');
  expect(stdout).toContain('code package inner of packages/lib/src: 1.0.0 → 1.1.0');
  expect(await made()).toBe('222');
});

test('a link that is pointed at another folder, with a package.json of the same bytes', async () => {
  await projectWith({
    'tasks/t.ts': task("import { v } from 'lib';", 'v'),
    ...packageAt('one', 1),
    ...packageAt('two', 2),
  });
  mkdirSync(p.path('node_modules'));
  link('../one', 'node_modules/lib');
  expect(await made()).toBe('1');
  link('../two', 'node_modules/lib');
  expect(await made()).toBe('2');
  link('../one', 'node_modules/lib');
  const run = await p.run();
  expect([...run.restored, ...run.ran]).toEqual(['t']);
  expect(p.read('out/o')).toBe('1');
});

test('an installed package in whose place comes a link, and one that is found nearer by', async () => {
  await projectWith({
    'tasks/t.ts': task("import { v } from 'lib';", 'v'),
    ...packageAt('node_modules/lib', 1),
    ...packageAt('lib', 2),
    ...packageAt('near', 3),
  });
  expect(await made()).toBe('1');
  rmSync(p.path('node_modules/lib'), { recursive: true });
  link('../lib', 'node_modules/lib');
  expect(await made()).toBe('2');
  mkdirSync(p.path('tasks/node_modules'));
  link('../../near', 'tasks/node_modules/lib');
  expect(await made()).toBe('3');
});

test('a folder of tasks that is a link, and is pointed at another', async () => {
  const code = { 'a/t.ts': task("import { v } from './v.ts';", 'v'), 'a/v.ts': 'export const v = 1;' };
  await projectWith({ ...code, 'b/t.ts': code['a/t.ts'], 'b/v.ts': 'export const v = 2;' });
  link('a', 'tasks');
  expect(await made()).toBe('1');
  link('b', 'tasks');
  expect(await made()).toBe('2');
});

const packageAt = (folder: string, value: number) => ({
  [`${folder}/package.json`]: '{ "name": "lib", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
  [`${folder}/index.js`]: `export const v = ${value};`,
});

function link(target: string, place: string): void {
  rmSync(p.path(place), { force: true });
  symlinkSync(target, p.path(place));
}

test('a workspace as npm makes it', async () => {
  await projectWith({
    'package.json': '{ "name": "root", "private": true, "workspaces": ["packages/*"], "dependencies": { "lib": "*" } }',
    'packages/lib/package.json': '{ "name": "lib", "version": "1.0.0", "main": "index.js" }',
    'packages/lib/index.js': 'exports.v = 1;',
    'tasks/t.ts': task("import { v } from 'lib';", 'v'),
  });
  const npm = spawnSync('npm', ['install', '--offline', '--no-audit', '--no-fund'], { cwd: p.root, encoding: 'utf8' });
  expect(npm).toMatchObject({ status: 0 });
  expect(JSON.parse(p.read('package-lock.json')).packages['node_modules/lib']).toMatchObject({ link: true });
  expect(await made()).toBe('1');
  p.write('packages/lib/index.js', 'exports.v = 2;');
  expect(await made()).toBe('2');
});

test('the helper of this engine, from a link to it', async () => {
  await projectWith({
    'tasks/t.ts':
      "import { writeFileSync } from 'node:fs';\nimport { defineTask } from 'dag/task';\nexport default defineTask({ run: (ctx) => writeFileSync(ctx.output('o'), 'x') });\n",
  });
  mkdirSync(p.path('node_modules'));
  symlinkSync(path.resolve(import.meta.dirname, '../../engine'), p.path('node_modules/dag'));
  expect(await made()).toBe('x');
});

const installed = (version: string, inner: string) => ({
  'node_modules/pack/package.json': JSON.stringify({ name: 'pack', version, dependencies: { inner: '*' } }),
  'node_modules/pack/index.js': "module.exports = require('inner');",
  'node_modules/inner/package.json': JSON.stringify({ name: 'inner', version: inner }),
  'node_modules/inner/index.js': `module.exports = '${inner}';`,
});
const lock = (version: string) =>
  JSON.stringify({
    packages: { 'node_modules/pack': { version, dependencies: { inner: '*' } }, 'node_modules/inner': { version } },
  });

test('without a package-lock.json, what an installed package depends on, when another lock file says that it changed', async () => {
  await projectWith({
    'tasks/t.ts': task("import v from 'pack';", 'v'),
    'pnpm-lock.yaml': '1',
    ...installed('1.0.0', '1.0.0'),
  });
  expect(await made()).toBe('1.0.0');
  for (const [file, text] of Object.entries({ ...installed('1.0.0', '2.0.0'), 'pnpm-lock.yaml': '2' }))
    p.write(file, text);
  expect(await made()).toBe('2.0.0');
});

test('in a workspace, what a package that is installed above the project depends on, with a lock file there or without', async () => {
  for (const locked of [true, false]) {
    p?.remove();
    const above = createProject(installed('1.0.0', '1.0.0'));
    onTestFinished(() => above.remove());
    if (locked) above.write('package-lock.json', lock('1.0.0'));
    p = above.within('app');
    p.write('pipeline.yml', PIPELINE);
    p.write('tasks/t.ts', task("import v from 'pack';", 'v'));
    expect(await made()).toBe('1.0.0');
    for (const [file, text] of Object.entries(installed('1.0.0', '2.0.0'))) above.write(file, text);
    expect(await made()).toBe('2.0.0');
  }
});

test('in a workspace, a package that its lock file says came to lie nearer by the one that needs it', async () => {
  const above = createProject(installed('1.0.0', '1.0.0'));
  onTestFinished(() => above.remove());
  p = above.within('app');
  p.write('pipeline.yml', PIPELINE);
  p.write('tasks/t.ts', task("import v from 'pack';", 'v'));
  expect(await made()).toBe('1.0.0');
  const nested = 'node_modules/pack/node_modules/inner';
  above.write(`${nested}/package.json`, '{ "name": "inner", "version": "3.0.0" }');
  above.write(`${nested}/index.js`, "module.exports = '3.0.0';");
  above.write('node_modules/.package-lock.json', '{}');
  expect(await made()).toBe('3.0.0');
});

test('a package of another version than the lock file says counts as it is installed, and is told', async () => {
  await projectWith({
    'tasks/t.ts': task("import v from 'pack';", 'v'),
    'package-lock.json': lock('1.0.0'),
    ...installed('1.0.0', '1.0.0'),
  });
  expect(await made()).toBe('1.0.0');
  expect((await p.dag('status')).stderr).toBe('');
  for (const [file, text] of Object.entries(installed('2.0.0', '2.0.0'))) p.write(file, text);
  const told = 'node_modules/pack is 2.0.0, but 1.0.0 in package-lock.json';
  expect((await p.dag('status')).stderr).toContain(told);
  expect((await p.dag('run')).stderr).toContain(told);
  expect(await made()).toBe('2.0.0');
  expect((await p.dag('plan')).stderr).toContain(told);
  p.write('package-lock.json', lock('2.0.0'));
  expect((await p.dag('status')).stderr).toBe('');
});

test('so does one that is needed by a package that is imported', async () => {
  const looked = lookAt({
    'tasks/t.ts': "import v from 'pack';\nexport default { run: () => v };\n",
    'package-lock.json': lock('1.0.0'),
    ...installed('1.0.0', '1.0.0'),
  });
  await expectOther(looked, () => {
    for (const [file, text] of Object.entries(installed('1.0.0', '2.0.0'))) looked.project.write(file, text);
    looked.project.write('node_modules/.package-lock.json', '{}');
  });
  expect((await looked.code()).warnings).toEqual([
    'node_modules/inner is 2.0.0, but 1.0.0 in package-lock.json: it counts as it is; `npm ci` installs what is written',
  ]);
});

test.each([
  ["require('pack')"],
  ["(await import(/* @vite-ignore */ import.meta.resolve('pack'))).default"],
  ["createRequire(import.meta.url)('pack')"],
])('a package that is not imported in so many words: %s', async (value) => {
  await projectWith({
    'tasks/t.ts': task(
      "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
      value,
    ),
    ...installed('1.0.0', '1.0.0'),
  });
  expect(await made()).toBe('1.0.0');
  for (const [file, text] of Object.entries(installed('2.0.0', '2.0.0'))) p.write(file, text);
  expect(await made()).toBe('2.0.0');
});

test('what cannot be known is told each time that the node runs, with its place; a mark says that it is known', async () => {
  await projectWith({
    'tasks/t.ts': task(
      "import { createRequire } from 'node:module';\nconst load = createRequire(import.meta.url);\nconst name = process.env.NONE ?? 'node:os';",
      '!(await import(name)) + String(!load(name)) + !(await import(/* @vite-ignore */ name))',
    ),
  });
  const { stderr } = await p.dag('run');
  expect(stderr).toMatch(
    /tasks\/t\.ts:5:\d+ imports a module by a name that is only known when it runs: its code is not in the key/,
  );
  expect(stderr).toContain('tasks/t.ts requires a module by a name that is only known when it runs');
  expect((await p.dag('run', '--force')).stderr).toContain('not in the key');
  p.write('tasks/t.ts', task("const name = 'node:os';", '!(await import(/* @vite-ignore */ name))'));
  expect((await p.dag('run')).stderr).not.toContain('not in the key');
});
