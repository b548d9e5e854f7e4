// The engine's rooms against their rows: imports, circles, and what some rooms must never load.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ENGINE_ROWS } from './engine-floors.ts';

const root = path.resolve(import.meta.dirname, '../..');
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

interface Arrow {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(path.join(root, 'engine'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('dist'))
  .map((name) => `engine/${name}`);
const textOf = (file: string) => readFileSync(path.join(root, file), 'utf8');
const arrows: Arrow[] = files.flatMap((from) =>
  [...textOf(from).matchAll(IMPORT)].map(([, to]) => ({ from, to: path.posix.join(path.posix.dirname(from), to!) })),
);

const full = (room: string) => (room.startsWith('cache/') ? room : `engine/${room}`);
const rooms = ENGINE_ROWS.map(([room]) => full(room));

/** The row with the longest name that the file lies in. */
function roomOf(file: string): string {
  const found = rooms.filter((room) => file === room || file.startsWith(`${room}/`));
  return found.reduce((best, room) => (room.length > best.length ? room : best), file.startsWith('cache/') ? file : '');
}

test('every import leads to the room itself or to one that its row names', () => {
  const allowed = new Map(ENGINE_ROWS.map(([room, may]) => [full(room), new Set([room, ...may.split(' ')].map(full))]));
  const offending = arrows.filter(({ from, to }) => !allowed.get(roomOf(from))?.has(roomOf(to)));
  expect(offending.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test('a row names rooms above it alone, so that no rooms form a circle', () => {
  const upward = ENGINE_ROWS.flatMap(([room, may], at) =>
    may
      .split(' ')
      .filter((one) => one !== '' && !one.startsWith('cache/') && !rooms.slice(0, at).includes(full(one)))
      .map((one) => `${room} → ${one}`),
  );
  expect(upward).toEqual([]);
});

test('no files form a circle', () => {
  const targets = new Map<string, string[]>();
  for (const { from, to } of arrows) targets.set(from, [...(targets.get(from) ?? []), to]);
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' → '));
    if (way.includes(file) || done.has(file)) return;
    for (const next of targets.get(file) ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  expect(circles).toEqual([]);
});

test('the written form of the journal is known in its room alone', () => {
  const readers = arrows.filter(({ to }) => to === 'engine/journal/lines.ts').map(({ from }) => roomOf(from));
  expect(new Set(readers)).toEqual(new Set(['engine/journal']));
});

test('who decides when and where asks no clock, no disk and no process', () => {
  const asks = /from 'node:|\bDate\b|\bperformance\b|\bprocess\.|\bMath\.random\b/;
  const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const inRoom = files.filter((file) => file.startsWith('engine/schedule/'));
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

test('ARCHITECTURE.md shows the rows', () => {
  const text = textOf('ARCHITECTURE.md');
  const shown = text.slice(text.indexOf('<!-- rooms: engine'), text.indexOf('<!-- end of rooms -->'));
  const lines = shown.split('\n').filter((line) => line.startsWith('    '));
  const short = (may: string) =>
    may
      .replace(/\.ts\b/g, '')
      .split(' ')
      .filter(Boolean);
  const told = lines.map((line) => line.trim().split(/ {2,}/));
  expect(told).toEqual(
    ENGINE_ROWS.map(([room, may, holds]) => [full(room), holds, ...(may === '' ? [] : [`← ${short(may).join(' ')}`])]),
  );
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
