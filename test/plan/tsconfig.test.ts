// tsconfig.json: what it says of imports and of TypeScript's meaning is what runs, is in the key by what it does, and is seen to change.
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openProject } from '../rigs/project.ts';
import { expectOther, expectSame, lookAt } from './rig.ts';

const config = (options: object, more: object = {}) => JSON.stringify({ ...more, compilerOptions: options });
const paths = (folder: string) => config({ paths: { '@lib/*': [`${folder}/*`] } });
const task = (specifier: string) => `import { v } from '${specifier}';\nexport default { run: () => v };\n`;

test('a module that is found by `paths` runs, and another one by an edit of them runs instead', async () => {
  const p = openProject({
    'pipeline.yml': 'tasks: { t: { use: tasks/t.ts, out: { o: out/o } } }\n',
    'tsconfig.json': paths('./lib'),
    'tasks/t.ts':
      "import { writeFileSync } from 'node:fs';\nimport { v } from '@lib/v';\nexport default { run: (ctx: any) => writeFileSync(ctx.output('o'), v) };\n",
    'lib/v.ts': "export const v = 'lib';",
    'other/v.ts': "export const v = 'other';",
  });
  expect((await p.run()).ran).toEqual(['t']);
  expect(p.read('out/o')).toBe('lib');
  for (let looks = 0; looks < 2; looks++) expect((await p.run()).ran).toEqual([]);
  p.write('tsconfig.json', paths('./other'));
  expect((await p.run()).ran).toEqual(['t']);
  expect(p.read('out/o')).toBe('other');
  p.write('tsconfig.json', `// A comment.\n${paths('./other')}`);
  expect((await p.run()).ran).toEqual([]);
});

test('baseUrl, by a tsconfig.json with comments and commas too many', async () => {
  const looked = lookAt({
    'tsconfig.json': '{ /* one */ "compilerOptions": { "baseUrl": "./src", }, // "two"\n }',
    'tasks/t.ts': task('v'),
    'src/v.ts': 'export const v = [1];',
  });
  expect(Object.keys((await looked.code()).files)).toEqual(['src/v.ts', 'tasks/t.ts']);
  await expectOther(looked, () => looked.project.write('src/v.ts', 'export const v = [2];'));
});

test.each([
  ['a file', './base.json', 'base.json'],
  ['one without its ending', './base', 'base.json'],
  ['a list', ['./none-of-it.json', './base.json'], 'base.json'],
  ['a package', '@conf/base', 'node_modules/@conf/base/tsconfig.json'],
  ['a file of a package', '@conf/base/one.json', 'node_modules/@conf/base/one.json'],
])('what it extends, by %s, is seen to change', async (_, extended, file) => {
  const up = file.startsWith('node_modules') ? '../../../' : './';
  const looked = lookAt({
    'tsconfig.json': config({}, { extends: extended }),
    'none-of-it.json': '{}',
    [file]: paths(`${up}lib`),
    'tasks/t.ts': task('@lib/v'),
    'lib/v.ts': 'export const v = [1];',
    'other/v.ts': 'export const v = [2];',
  });
  await expectOther(looked, () => looked.project.write(file, paths(`${up}other`)));
  await expectSame(looked, () => looked.project.write(file, `${paths(`${up}other`)} // said`));
});

test('${configDir} in a config that is extended', async () => {
  const looked = lookAt({
    'tsconfig.json': config({}, { extends: './conf/base.json' }),
    'conf/base.json': paths('${configDir}/lib'),
    'tasks/t.ts': task('@lib/v'),
    'lib/v/index.ts': 'export const v = [1];',
  });
  await looked.code();
  await expectOther(looked, () => looked.project.write('lib/v.ts', 'export const v = [2];'));
});

test('a nearer one that comes later, and one above the project', async () => {
  const looked = lookAt(
    {
      'tsconfig.json': paths('./lib'),
      'app/tasks/t.ts': task('@lib/v'),
      'lib/v.ts': 'export const v = [1];',
      'other/v.ts': 'export const v = [2];',
    },
    'app',
  );
  await expectOther(looked, () => looked.project.write('app/tsconfig.json', paths('../other')));
  await expectOther(looked, () => looked.project.write('app/tasks/jsconfig.json', paths('../../lib')));
  await expectOther(looked, () => looked.project.write('app/tasks/tsconfig.json', paths('../../other')));
  await expectOther(looked, () => rmSync(looked.project.path('app/tasks/tsconfig.json')));
});

test('a file that comes to stand before the one that an alias meant, and one that takes the place of a package', async () => {
  const looked = lookAt({
    'tsconfig.json': config({ paths: { 'lib/*': ['./one/*', './two/*'], pack: ['./pack'] } }),
    'tasks/t.ts': "import { v } from 'lib/v';\nimport w from 'pack';\nexport default { run: () => v + w };\n",
    'two/v.ts': 'export const v = [1];',
    'node_modules/pack/package.json': '{ "name": "pack", "version": "1.0.0" }',
    'node_modules/pack/index.js': 'module.exports = 1;',
  });
  expect((await looked.code()).packages).toEqual({ pack: '1.0.0' });
  await expectOther(looked, () => looked.project.write('one/v.ts', 'export const v = [2];'));
  await expectOther(looked, () => looked.project.write('pack.ts', 'export default 2;'));
  expect((await looked.code()).packages).toEqual({});
});

test('the longest pattern counts, and a package under another name by its own', async () => {
  const looked = lookAt({
    'tsconfig.json': config({
      paths: {
        '*': ['./any/*'],
        '@lib/*': ['./lib/*'],
        '@lib/deep/*': ['./deep/*'],
        nick: ['./node_modules/pack/index.js'],
      },
    }),
    'tasks/t.ts':
      "import { v } from '@lib/deep/v';\nimport { w } from 'w';\nimport n from 'nick';\nexport default { run: () => v + w + n };\n",
    'deep/v.ts': 'export const v = [1];',
    'any/w.ts': 'export const w = [1];',
    'node_modules/pack/package.json': '{ "name": "pack", "version": "1.0.0" }',
    'node_modules/pack/index.js': 'module.exports = 1;',
  });
  const { files, packages } = await looked.code();
  expect(Object.keys(files)).toEqual(['deep/v.ts', 'any/w.ts', 'tasks/t.ts']);
  expect(packages).toEqual({ pack: '1.0.0' });
});

test('options that change what code does are in the key, and those that do not are not', async () => {
  const looked = lookAt({
    'tsconfig.json': '{}',
    'tasks/t.ts':
      'const mark = (...all: any[]): any => all[1];\n@mark class A { x: number = 1; y!: number }\nexport default { run: () => new A() };\n',
    'package.json': '{}',
  });
  await expectOther(looked, () => looked.project.write('tsconfig.json', config({ experimentalDecorators: true })));
  await expectOther(looked, () =>
    looked.project.write('tsconfig.json', config({ experimentalDecorators: true, useDefineForClassFields: false })),
  );
  await expectSame(looked, () =>
    looked.project.write(
      'tsconfig.json',
      config({ experimentalDecorators: true, useDefineForClassFields: false, strict: true, noUnusedLocals: true }),
    ),
  );
});

test('`strict`, which makes no difference to a bundle, leaves modules that are imported later as they were', async () => {
  const looked = lookAt({
    'tasks/t.ts': "export default { run: async () => (await import('./later.ts')).v };\n",
    'tasks/later.ts': "import old from './old.cjs';\nexport const v = old;",
    'tasks/old.cjs': "'use strict';\nmodule.exports = 1;",
  });
  await expectSame(looked, () => looked.project.write('tsconfig.json', config({ strict: true })));
});

test('jsx', async () => {
  const looked = lookAt({
    'tsconfig.json': config({ jsx: 'react', jsxFactory: 'h' }),
    'tasks/t.ts': task('./v.tsx'),
    'tasks/v.tsx': 'const h = (...all: any[]) => all;\nexport const v = <b>1</b>;',
  });
  await expectOther(looked, () =>
    looked.project.write('tsconfig.json', config({ jsx: 'react-jsx', jsxImportSource: 'lib' })),
  );
  expect((await looked.code()).packages).toEqual({ lib: 'absent' });
});

test('an alias that leads nowhere is told at planning, with its place; a package that is not installed is none', async () => {
  const looked = lookAt({
    'tsconfig.json': config({ paths: { '*': ['./types/*'], '@lib/*': ['./lib/*'], typed: ['./types/typed.d.ts'] } }),
    'tasks/t.ts': "import 'absent';\nimport 'typed';\nimport { v } from '@lib/v';\nexport default { run: () => v };\n",
    'types/typed.d.ts': 'export {};',
  });
  const told = await looked.error();
  expect(told).toContain(
    '"@lib/v" leads nowhere: by "@lib/*" of `paths` in tsconfig.json it is lib/v, and nothing is there',
  );
  expect(told).toContain('tasks/t.ts:3:18');
  looked.project.write('lib/v.ts', 'export const v = [1];');
  expect((await looked.code()).packages).toEqual({ absent: 'absent', typed: 'absent' });
});

test('one that cannot be read is told with its place, and one that lacks what it extends is a warning', async () => {
  const looked = lookAt({
    'tsconfig.json': '{ "compilerOptions": { ',
    'tasks/t.ts': 'export default { run: () => 1 };\n',
  });
  expect(await looked.error()).toContain('tsconfig.json:1:23');
  looked.project.write('tsconfig.json', '{ "extends": "./none.json" }');
  expect((await looked.code()).warnings).toEqual(['tsconfig.json:1:14 Cannot find base config file "./none.json"']);
  looked.project.write('none.json', '{}');
  expect((await looked.code()).warnings).toBeUndefined();
});
