// The arrows between the rooms: reads every import in the tree and fails with the offending lines.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const SOURCE = /\.ts$/;
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

interface Import {
  readonly file: string;
  readonly line: number;
  readonly target: string;
}

function importsOf(room: string): Import[] {
  return readdirSync(path.join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((name) => SOURCE.test(name))
    .flatMap((name) => {
      const file = path.posix.join(room, name.split(path.sep).join('/'));
      const text = readFileSync(path.join(root, file), 'utf8');
      return [...text.matchAll(IMPORT)].map((match) => ({
        file,
        line: text.slice(0, match.index).split('\n').length,
        target: path.posix.join(path.posix.dirname(file), match[1]!),
      }));
    });
}

function offending(room: string, allowed: (target: string) => boolean): string[] {
  return importsOf(room)
    .filter(({ target }) => !allowed(target))
    .map(({ file, line, target }) => `${file}:${line} imports ${target}`);
}

const within = (room: string) => (target: string) => target.startsWith(`${room}/`);

test('the reader of imports sees the ones that exist', () => {
  expect(importsOf('engine').some(({ target }) => target === 'cache/index.ts')).toBe(true);
  expect(importsOf('tasks').some(({ target }) => target === 'engine/task.ts')).toBe(true);
});

test('tasks know the engine only by the task contract', () => {
  expect(offending('tasks', (target) => within('tasks')(target) || target === 'engine/task.ts')).toEqual([]);
});

test('the engine knows the cache only by its door, and no task', () => {
  expect(offending('engine', (target) => within('engine')(target) || target === 'cache/index.ts')).toEqual([]);
});

test('the cache knows neither engine nor tasks', () => {
  expect(offending('cache', within('cache'))).toEqual([]);
});

test('the task contract imports nothing, so that the engine never changes the digest of a task', () => {
  expect(importsOf('engine').filter(({ file }) => file === 'engine/task.ts')).toEqual([]);
});
