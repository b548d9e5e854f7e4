// The parts of ctx.each by themselves: what a call may ask for, what is remembered, and what is not believed.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { open } from 'lmdb';
import { afterEach, describe, expect, test } from 'vitest';
import { openCache } from '../../../cache/index.ts';
import { readCall } from '../../../engine/exec/child/each/call.ts';
import { createInputs } from '../../../engine/exec/child/each/inputs.ts';
import { stampOf } from '../../../engine/exec/child/each/item.ts';
import { type EachMemory, openMemory } from '../../../engine/exec/child/each/memory.ts';
import { confirmRuns } from '../../../engine/exec/eachMarkers.ts';

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function temporary(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'dag-each-'));
  made.push(folder);
  return folder;
}

const GENERATION = 'a'.repeat(64);
const value = (letter: string, result = '1') => ({
  fingerprint: letter.repeat(64),
  stamp: '5'.repeat(32),
  digests: ['d'.repeat(64)],
  result,
});

async function remember(folder: string, keys: readonly string[], generation = GENERATION): Promise<EachMemory> {
  const memory = openMemory(folder, 'work', generation, false);
  for (const key of keys) memory.put(key, value('f', JSON.stringify(key)));
  await memory.settle();
  return memory;
}

describe('what is remembered', () => {
  test('comes back by any key: empty, long, with a zero character', async () => {
    const keys = ['', 'k', '\0', 'a\0b', 'long'.repeat(1000), 'long'.repeat(1001), 'ö𝄞'];
    const memory = await remember(temporary(), keys);
    for (const key of keys) expect(memory.find(key)?.result()).toBe(JSON.stringify(key));
    expect(memory.find('other')).toBeNull();
    expect([memory.count(), memory.keepOnly(['', 'a\0b'])]).toEqual([keys.length, keys.length - 2]);
    await memory.settle();
    expect([memory.find('k'), memory.find('a\0b')?.digests]).toEqual([null, ['d'.repeat(64)]]);
    await memory.close();
  });

  test('counts by its stamp until the engine confirms the run, and without one after', async () => {
    const folder = temporary();
    const first = await remember(folder, ['a']);
    await first.close();
    const second = openMemory(folder, 'work', GENERATION, false);
    expect(second.find('a')?.unconfirmed).toBe('5'.repeat(32));
    confirmRuns(second.folder);
    await second.close();
    const third = openMemory(folder, 'work', GENERATION, false);
    expect(third.find('a')).toMatchObject({ unconfirmed: null, fingerprint: 'f'.repeat(64) });
    await third.close();
  });

  test('is nothing when any byte of it was changed', async () => {
    const memory = await remember(temporary(), ['a']);
    await memory.close();
    const database = open<Buffer, string>({
      path: path.join(memory.folder, 'items.mdb'),
      encoding: 'binary',
      compression: true,
    });
    const right = Buffer.from(database.get('ka')!);
    await database.close();
    for (let at = 0; at < right.length; at++) {
      const wrong = Buffer.from(right);
      wrong[at]! ^= 1;
      const altered = open<Buffer, string>({
        path: path.join(memory.folder, 'items.mdb'),
        encoding: 'binary',
        compression: true,
      });
      await altered.put('ka', wrong);
      await altered.close();
      const again = openMemory(path.dirname(memory.folder), 'work', GENERATION, false);
      expect(again.find('a')).toBeNull();
      await again.close();
    }
  });

  test('of other code or parameters is kept apart, for the last three of them', async () => {
    const folder = temporary();
    for (const letter of ['1', '2', '3', '4', '5']) {
      const memory = await remember(folder, [letter], letter.repeat(64));
      expect(memory.find('1') !== null).toBe(letter === '1');
      await memory.close();
    }
    expect(readdirSync(folder).length).toBe(3);
    const anew = openMemory(folder, 'work', '5'.repeat(64), true);
    expect(anew.find('5')).toBeNull();
    await anew.close();
  });
});

describe('a call', () => {
  const work = () => 1;
  const call = (items: readonly string[], files: (item: string) => string[] = (item) => [item]) =>
    readCall(
      { work },
      items,
      { key: (item) => item as string, inputs: () => [], outputs: { out: (item) => files(item as string) } },
      work,
    );

  test('names the worker as the module exports it', () => {
    expect(call(['a']).exportedAs).toBe('work');
    const options = { key: String, inputs: () => [] };
    expect(() => readCall({ other: work }, [], options, () => 1)).toThrow(/is not exported by the task/);
  });

  test('refuses two items with one key or one file, and files outside the output', () => {
    expect(() => call(['a', 'b', 'a'])).toThrow('two items given to ctx.each have the same key: a');
    expect(() => call(['a', 'b'], () => ['same'])).toThrow('a and b both write same of output "out"');
    for (const file of ['../x', '/x', 'a/../x', './x', 'x/', '..', '.', '']) {
      expect(() => call(['a'], () => [file])).toThrow(/is not a relative path within output "out"/);
    }
  });
});

describe('the inputs of an item', () => {
  test('are known by role, path and the digest that the engine had; what is no input is refused', async () => {
    const folder = temporary();
    mkdirSync(path.join(folder, 'in/sub'), { recursive: true });
    writeFileSync(path.join(folder, 'in/sub/a'), 'a');
    writeFileSync(path.join(folder, 'in2'), 'b');
    const cache = openCache({ dir: path.join(folder, 'cache') });
    const input = path.join(folder, 'in');
    const entry = cache.scan(input)!;
    const inputs = createInputs(
      { images: { many: false, items: [{ path: input, axes: {} }] } },
      { images: [entry] },
      cache,
    );
    const digest = cache.scan(path.join(input, 'sub/a'))!.digest;
    writeFileSync(path.join(folder, 'in/sub/a'), 'changed since');
    expect(inputs.of(path.join(input, 'sub/a'))).toEqual(['images', 'sub/a', digest]);
    expect(inputs.of(path.join(input, 'none'))).toEqual(['images', 'none', null]);
    expect(() => inputs.of(path.join(folder, 'in2'))).toThrow(/is not within an input of the node/);
    await cache.close();
  });

  test('have no stamp while they are too young to tell an edit by their times, nor where they changed since', () => {
    const file = path.join(temporary(), 'file');
    const begunMs = Date.now();
    writeFileSync(file, 'young');
    const young = stampOf([file]);
    // The clock moves on while this loop turns.
    for (const startMs = Date.now(); Date.now() < startMs + 25; );
    expect([young, stampOf([file]).length, stampOf([file, `${file}.none`])]).toEqual(['', 32, '']);
    expect(stampOf([file], begunMs)).toBe('');
  });
});
