// What goes wrong around the engine: a full disk, a cache that may not be written, an input that vanishes, a clock set back,
// a flipped byte in the store. Each ends in one clear error (or is healed), and the cache stays whole.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Project } from '../rigs/project.ts';
import { cleanOutputs, createEveryKind, objectsOf, outputsOf, removeOutputs, textOf } from './rig.ts';

let p: Project;
const mounted: string[] = [];
afterEach(() => {
  for (const folder of mounted.splice(0)) spawnSync('umount', [folder]);
  p?.remove();
});

/** A small disk of its own; false where mounting is not allowed. */
function mount(folder: string, options: string): boolean {
  mkdirSync(folder, { recursive: true });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' }).status !== 0)
    return false;
  if (!mounted.includes(folder)) mounted.push(folder);
  return true;
}

function mountable(): boolean {
  const probe = createEveryKind();
  const folder = probe.path('disk');
  const works = mount(folder, 'size=1m');
  for (const one of mounted.splice(0)) spawnSync('umount', [one]);
  probe.remove();
  return works;
}

describe.skipIf(!mountable())('a disk', () => {
  test('that is full ends in one clear error, and once there is room the run is completed', async () => {
    p = createEveryKind();
    p.edit('pipeline.yml', 'head -n 800', 'head -n 200000');
    mount(p.path('disk'), 'size=600k');
    const there = p.with({ DAG_CACHE: p.path('disk/cache') });
    const answer = await there.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(/ENOSPC|no space left|No space left/);
    expect(answer.stderr).not.toContain('internal error');
    spawnSync('mount', ['-o', 'remount,size=200m', p.path('disk')]);
    expect(await there.run()).toMatchObject({ ok: true, failed: [] });
    expect((await there.dag('verify')).code).toBe(0);
  });

  test('with a cache that may not be written ends in one clear error', async () => {
    p = createEveryKind();
    mount(p.path('disk'), 'size=20m');
    const there = p.with({ DAG_CACHE: p.path('disk/cache') });
    await there.run();
    spawnSync('mount', ['-o', 'remount,ro', p.path('disk')]);
    const answer = await there.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(/cannot write to the cache .*disk\/cache/);
    expect(answer.stderr).not.toContain('internal error');
    spawnSync('mount', ['-o', 'remount,rw', p.path('disk')]);
    expect(await there.run()).toMatchObject({ ok: true, ran: [] });
  });
});

test('an input that vanishes while its node runs fails that node, and no record says otherwise', async () => {
  p = createEveryKind();
  p.edit('pipeline.yml', 'cp ${in.i} ${out.o}"', 'cp ${in.i} ${out.o}; rm ${in.i}"');
  const answer = await p.dag('run', '-j', '1');
  expect(answer.code).not.toBe(0);
  expect(answer.stderr).toMatch(/its input source\.txt (changed while it ran|does not exist)/);
  p.write('source.txt', textOf(3));
  p.edit('pipeline.yml', '; rm ${in.i}"', '"');
  expect(await p.run()).toMatchObject({ ok: true });
  expect(outputsOf(p)).toEqual(cleanOutputs(3));
});

test('sources with times in the future, as after a clock was set back, are hashed and not believed', async () => {
  p = createEveryKind();
  await p.run();
  const ahead = Date.now() / 1000 + 86_400;
  for (const number of [1, 2, 3]) {
    // Same length, same time: only the bytes differ.
    writeFileSync(p.path('source.txt'), textOf(number));
    utimesSync(p.path('source.txt'), ahead, ahead);
    expect(await p.run()).toMatchObject({ ok: true, fresh: [] });
    expect(outputsOf(p)).toEqual(cleanOutputs(number));
  }
});

test('a flipped byte in any stored file is found before it is used, and what it came from runs again', async () => {
  p = createEveryKind();
  await p.run();
  const objects = objectsOf(p);
  expect(objects.length).toBeGreaterThan(1);
  for (const object of objects) {
    removeOutputs(p);
    const bytes = readFileSync(object);
    bytes[bytes.length >> 1]! ^= 1;
    chmodSync(object, 0o644);
    writeFileSync(object, bytes);
    const summary = await p.run();
    expect(summary).toMatchObject({ ok: true, failed: [] });
    expect(summary.ran.length).toBeGreaterThan(0);
    expect(outputsOf(p)).toEqual(cleanOutputs(0));
  }
  rmSync(p.path('.dag'), { recursive: true });
});
