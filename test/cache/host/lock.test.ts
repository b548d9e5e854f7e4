import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { acquireLock, type LockOwner } from '../../../cache/index.ts';
import { startChild, temporaryFolder } from '../rig.ts';

test('a second process waits, is told for whom, and gets the lock when it is released', async () => {
  const path = join(temporaryFolder(), 'lock');
  const first = await startChild('lock', [path, 'hold']);
  expect(await first.line()).toBe('held');
  const second = await startChild('lock', [path, 'hold']);
  expect(await second.line()).toBe(`waits for ${first.process.pid}`);
  first.tell('go');
  expect(await first.line()).toBe('released');
  expect(await second.line()).toBe('held');
  second.tell('go');
  expect(await second.ended).toBe(0);
});

test('the waiter learns PID, host and command of the owner', async () => {
  const path = join(temporaryFolder(), 'lock');
  const child = await startChild('lock', [path, 'hold']);
  await child.line();
  const abort = new AbortController();
  let owner: LockOwner | null = null;
  const waiting = acquireLock(path, {
    signal: abort.signal,
    onWait: (told) => {
      owner = told;
      abort.abort(new Error('enough'));
    },
  });
  await expect(waiting).rejects.toThrow('enough');
  expect(owner).toMatchObject({
    pid: child.process.pid,
    host: hostname(),
    command: expect.stringContaining('lock.mjs'),
  });
  child.tell('go');
  await child.ended;
});

test('the lock of a killed process is taken over', async () => {
  const path = join(temporaryFolder(), 'lock');
  const child = await startChild('lock', [path, 'hold']);
  await child.line();
  child.process.kill('SIGKILL');
  await child.ended;
  const lock = await acquireLock(path, { onWait: () => expect.unreachable('its owner is dead') });
  lock.release();
});

test('a process that has the PID of a dead owner is not taken for it', async () => {
  const path = join(temporaryFolder(), 'lock');
  mkdirSync(path);
  const owner = { pid: process.pid, started: 'another-time', host: hostname(), command: 'dag', since: '' };
  writeFileSync(join(path, '7'), JSON.stringify({ owner }));
  const lock = await acquireLock(path, { onWait: () => expect.unreachable('its owner is dead') });
  expect(readdirSync(path)).toEqual(['8']);
  lock.release();
});

test('an owner on another machine is waited for, and half a lock file is nobody’s', async () => {
  const path = join(temporaryFolder(), 'lock');
  mkdirSync(path);
  const owner = { pid: 1, started: 'x', host: 'elsewhere.example', command: 'dag', since: '' };
  writeFileSync(join(path, '1'), JSON.stringify({ owner }));
  const abort = new AbortController();
  const waiting = acquireLock(path, { signal: abort.signal, onWait: () => abort.abort(new Error('enough')) });
  await expect(waiting).rejects.toThrow('enough');
  writeFileSync(join(path, '1'), '{"owner":{"pid":');
  (await acquireLock(path, { onWait: () => expect.unreachable('nobody') })).release();
});

test('within one process the lock is exclusive too, and releasing twice releases once', async () => {
  const path = join(temporaryFolder(), 'lock');
  const first = await acquireLock(path, { onWait: () => {} });
  let waited = false;
  const second = acquireLock(path, {
    onWait: (owner) => {
      waited = owner.pid === process.pid;
      first.release();
      first.release();
    },
  });
  const third = acquireLock(path, { onWait: () => {} });
  const lock = await Promise.race([second, third]);
  lock.release();
  (await second).release();
  (await third).release();
  expect(waited).toBe(true);
});

test('of many processes that contend, some killed while they hold it, never two are in', async () => {
  const root = temporaryFolder();
  const log = join(root, 'log');
  writeFileSync(log, '');
  const children = await Promise.all(
    [-1, 3, -1, 5, 0, -1].map((dieAt) => startChild('lock', [join(root, 'lock'), 'contend', log, '15', `${dieAt}`])),
  );
  const ends = await Promise.all(children.map((child) => child.ended));
  expect(ends.map((end) => (end === 0 ? 'done' : end)).sort()).toEqual([
    'SIGKILL',
    'SIGKILL',
    'SIGKILL',
    'done',
    'done',
    'done',
  ]);
  const killed = new Set(children.filter((_, at) => ends[at] === 'SIGKILL').map((child) => `${child.process.pid}`));
  expect(overlaps(readFileSync(log, 'utf8').trim().split('\n'), killed)).toEqual([]);
});

/** Lines that say that a process came in while another was. One that was killed went out by it. */
function overlaps(lines: readonly string[], killed: ReadonlySet<string>): string[] {
  const faults: string[] = [];
  const lastOf = new Map(lines.map((line, at) => [line.split(' ')[1]!, at]));
  let inside: string | null = null;
  lines.forEach((line, at) => {
    const [what, pid] = line.split(' ') as [string, string];
    const leftByDeath = inside !== null && killed.has(inside) && lastOf.get(inside)! < at;
    if (what === 'enter' && inside !== null && !leftByDeath) faults.push(`${at}: ${line} while ${inside} is in`);
    if (what === 'leave' && inside !== pid) faults.push(`${at}: ${line} while ${inside} is in`);
    inside = what === 'enter' ? pid : null;
  });
  return faults;
}
