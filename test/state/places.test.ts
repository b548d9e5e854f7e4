// Names of logs: readable, short enough for a file system, and two nodes never share one.
import path from 'node:path';
import { expect, test } from 'vitest';
import { logPath, placesOf } from '../../engine/state/places.ts';

const name = (node: string) => path.basename(logPath(placesOf('/project'), node));

test('a name that a file system takes is kept', () => {
  expect(name('train[model=a,fold=0]')).toBe('train[model=a,fold=0].log');
});

test('what it refuses is replaced, and two names that differ in it stay apart', () => {
  expect(name('t[a=x/y]')).toMatch(/^t\[a=x_y\]-[0-9a-f]{8}\.log$/);
  expect(new Set([name('t[a=x/y]'), name('t[a=x:y]'), name('t[a=x_y]')]).size).toBe(3);
});

test('a long name leaves room for the endings of tries, and keeps its difference', () => {
  const long = (end: string) => `t[${'ä'.repeat(300)}=${end}]`;
  expect(Buffer.byteLength(name(long('1')))).toBeLessThan(230);
  expect(name(long('1'))).not.toBe(name(long('2')));
});
