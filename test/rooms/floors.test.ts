// The engine's rooms, floor by floor: what a file imports, types too, is in its room or in one that its room may know; files
// form no circle.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ENGINE_FLOORS } from './engine-floors.ts';

const root = path.resolve(import.meta.dirname, '../..');
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

interface Arrow {
  readonly from: string;
  readonly to: string;
}

const arrows: Arrow[] = readdirSync(path.join(root, 'engine'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('dist'))
  .flatMap((name) => {
    const from = `engine/${name}`;
    const text = readFileSync(path.join(root, from), 'utf8');
    return [...text.matchAll(IMPORT)].map((match) => ({
      from,
      to: path.posix.join(path.posix.dirname(from), match[1]!),
    }));
  });

/** The row of a file: the longest path that it lies below. */
function roomOf(file: string): string {
  if (file.startsWith('cache/')) return 'cache';
  const rooms = ENGINE_FLOORS.map(({ room }) => room).filter((room) => file === room || file.startsWith(`${room}/`));
  return rooms.sort((a, b) => b.length - a.length)[0] ?? 'no room';
}

test('each import of the engine goes to its own room, or to one that this may know', () => {
  const allowed = new Map(ENGINE_FLOORS.map(({ room, mayImport }) => [room, new Set([room, ...mayImport])]));
  const offending = arrows.filter(({ from, to }) => !allowed.get(roomOf(from))?.has(roomOf(to)));
  expect(offending.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test('no two files of the engine import each other, directly or not', () => {
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
