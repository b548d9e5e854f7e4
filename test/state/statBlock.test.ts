// The stats of many paths hold until one of them changes, wherever it stands, by this thread alone or with others.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packStats, statsHold } from '../../engine/state/statBlock.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'dag-stats-'));
  mkdirSync(path.join(root, 'ü'));
});
afterEach(() => rmSync(root, { recursive: true }));

const place = (name: string) => path.resolve(root, name);

/** As a file with eight bytes before the stats. */
function packed(names: readonly string[]): SharedArrayBuffer {
  const stats = names.map((name) => statSync(place(name), { throwIfNoEntry: false }) ?? null);
  const bytes = packStats(names, stats);
  const memory = new SharedArrayBuffer(8 + bytes.length);
  Buffer.from(memory).set(bytes, 8);
  return memory;
}

const files = Array.from({ length: 1500 }, (_, at) => `ü/file ${at}`);

/** With so many paths threads take part: the files, over and over. */
const many = Array.from({ length: 40 }, () => files).flat();

test.each([
  ['one block', files.slice(0, 3)],
  ['some blocks', files],
  ['blocks for threads', many],
])('of %s', (_, names) => {
  for (const name of files) writeFileSync(place(name), name);
  const all = [...names, 'gone', root];
  const memory = packed(all);
  expect(statsHold(memory, 8, root)).toBe(true);

  const last = place(names.at(-1)!);
  const { mtimeMs, atimeMs } = statSync(last);
  writeFileSync(last, names.at(-1)!.toUpperCase());
  utimesSync(last, atimeMs / 1000, mtimeMs / 1000);
  expect(statsHold(memory, 8, root)).toBe(false);
  expect(statsHold(packed(all), 8, root)).toBe(true);
  chmodSync(last, 0o600);
  expect(statsHold(memory, 8, root)).toBe(false);
  rmSync(last);
  expect(statsHold(memory, 8, root)).toBe(false);
});

test('what was missing may not be there', () => {
  const memory = packed(['gone']);
  expect(statsHold(memory, 8, root)).toBe(true);
  writeFileSync(place('gone'), '');
  expect(statsHold(memory, 8, root)).toBe(false);
});

test('cut at any byte they do not hold', () => {
  writeFileSync(place('a'), '');
  const memory = packed(['a', 'gone']);
  const whole = Buffer.from(memory);
  for (let size = memory.byteLength - 1; size > 8; size--) {
    const cut = new SharedArrayBuffer(size);
    Buffer.from(cut).set(whole.subarray(0, size));
    expect(statsHold(cut, 8, root)).toBe(false);
  }
});
