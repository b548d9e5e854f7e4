// The house: who imports whom, against the table of floors; what breaks it is told by file and line. Type imports count.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CACHE, ENGINE, FLOORS, TASKS } from './rooms/floors.ts';
import { circlesOf, filesOf, type Import, importsOf, packagesOf, root } from './rooms/imports.ts';
import { pictureOf, withPicture } from './rooms/picture.ts';

const textOf = (file: string) => readFileSync(path.join(root, file), 'utf8');
const imports = ['cache', 'engine', 'tasks'].flatMap(importsOf);

/** The row with the longest name that the file lies in. */
function roomOf(file: string): string {
  const rows = FLOORS.map(({ room }) => room).filter((room) => file === room || file.startsWith(`${room}/`));
  return rows.reduce((best, room) => (room.length > best.length ? room : best), '');
}

const told = ({ file, line, target }: Import) => `${file}:${line} imports ${target}`;

test('the reader of imports sees the ones that exist', () => {
  const seen = imports.map(({ file, target }) => `${file} ${target}`);
  expect(seen).toContain('engine/plan/key.ts cache/index.ts');
  expect(seen).toContain('tasks/train.ts engine/task.ts');
  expect(seen).toContain('tasks/dicom/codecs/codec.ts tasks/dicom/codecs/wasm.ts'); // A dynamic one.
  expect(packagesOf('cache/db')).toContain('lmdb');
});

test('every import leads to the room itself or to one that its row names', () => {
  const allowed = new Map(FLOORS.map(({ room, mayImport }) => [room, new Set([room, ...mayImport])]));
  const offending = imports.filter(({ file, target }) => !allowed.get(roomOf(file))?.has(roomOf(target)));
  for (const [house, rooms] of Object.entries({ cache: CACHE, engine: ENGINE, tasks: TASKS }))
    console.log(pictureOf(house, rooms));
  expect(offending.map(told)).toEqual([]);
});

test('a row names rooms above it alone, so that no rooms form a circle', () => {
  const rooms = FLOORS.map(({ room }) => room);
  const upward = FLOORS.flatMap(({ room, mayImport }, at) =>
    mayImport.filter((one) => !rooms.slice(0, at).includes(one)).map((one) => `${room} → ${one}`),
  );
  expect(upward).toEqual([]);
});

test('no files form a circle', () => {
  expect(circlesOf(imports.map(({ file, target }) => [file, target]))).toEqual([]);
});

test('a circle of files is told by its members', () => {
  const arrows = [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'b'],
    ['c', 'd'],
  ] as const;
  expect(circlesOf(arrows)).toEqual(['b → c → b']);
});

test('the second door of the cache loads no package, so that a run with nothing to do need not either', () => {
  expect(packagesOf('cache/host')).toEqual([]);
});

test('the written form of the journal is known in its room alone', () => {
  const readers = imports.filter(({ target }) => target === 'engine/journal/lines.ts').map(({ file }) => roomOf(file));
  expect(new Set(readers)).toEqual(new Set(['engine/journal']));
});

test('who decides when and where asks no clock, no disk and no process', () => {
  const asks = /from 'node:|\bDate\b|\bperformance\b|\bprocess\.|\bMath\.random\b/;
  const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const inRoom = filesOf('engine/schedule');
  expect(inRoom.length).toBeGreaterThan(5);
  expect(inRoom.filter((file) => asks.test(code(textOf(file))))).toEqual([]);
});

/** What a file loads when it is loaded: not what it imports as types alone, nor what it imports when it needs it. */
function loads(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, what, specifier] of textOf(file).matchAll(/^(?:import|export) ([^'";]*?)from '([^']+)';/gms)) {
    const names = /^\{(.*)\}\s*$/s
      .exec(what!)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    if (what!.startsWith('type ') || names?.every((name) => name.trim().startsWith('type '))) continue;
    if (!specifier!.startsWith('.')) seen.add(specifier!);
    else loads(path.posix.join(path.posix.dirname(file), specifier!), seen);
  }
  return seen;
}

test('a run with nothing to do loads neither the index nor the bundler nor the loader of pipelines', () => {
  const loaded = ['engine/cli/main.ts', 'engine/cli/commands/noop.ts'].flatMap((entry) => [...loads(entry)]);
  expect(loaded).toContain('engine/state/noop.ts');
  const packages = loaded.filter((name) => !name.includes('.ts') && !name.startsWith('node:'));
  expect(new Set(packages)).toEqual(new Set(['commander', 'picocolors']));
  expect(loaded.filter((file) => /^engine\/(?:load|plan|graph|run)\/|^cache\/(?!host\/)/.test(file))).toEqual([]);
  // A test of the test: the long way loads them.
  expect(loads('engine/cli/commands/run.ts')).toContain('lmdb');
});

test('the documents show the table as it is', async () => {
  const shown = (file: string, ...houses: (readonly [string, typeof CACHE])[]) => {
    const text = textOf(file);
    const mended = houses.reduce((now, [house, rooms]) => withPicture(now, house, rooms), text);
    return expect(mended).toMatchFileSnapshot(path.join(root, file));
  };
  await shown('ARCHITECTURE.md', ['cache', CACHE], ['engine', ENGINE]);
  await shown('tasks/README.md', ['tasks', TASKS]);
});

test('documents and comments name files that are there', () => {
  const listed = (folder: string) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name));
  const written = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...['engine', 'cache', 'tasks'].flatMap(listed)]
    .filter((name) => /\.(?:md|ts)$/.test(name) && !/node_modules|dist\//.test(name))
    .map((file) => ({ file, text: textOf(file) }));
  const dead = written.flatMap(({ file, text }) =>
    [
      ...text
        .replace(/<!--.*?-->/g, '')
        .matchAll(/(?<![\w/.-])(?:engine|cache|test|bench|tasks\/\w+)\/[\w/.-]*\.(?:ts|mjs|py|md)\b/g),
    ]
      .map(([name]) => name)
      .filter((name) => !/\bNAME\b/.test(name) && !existsSync(path.join(root, name)))
      .map((name) => `${file} names ${name}`),
  );
  expect(dead).toEqual([]);
});
