// Output that cannot be written: a full disk, a reader that went away, a terminal that closed. Printing ends, never the run; what
// was asked for and did not arrive whole is told by the exit code.
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEAD, processOf } from '../../cache/host/process.ts';
import { createProject, DAG, openProject, type Project, REPOSITORY } from '../rigs/project.ts';
import { began, go, handHeld, journals, start, startLine, startProgram, until } from './rig.ts';

const held = (first = handHeld('first')) =>
  openProject({
    'pipeline.yml': `tasks:
  first: { run: "${first}; echo 1 > \${out.o}", out: { o: out/first } }
  second: { run: "cp \${in.i} \${out.o}", in: { i: "\${first.o}" }, out: { o: out/second } }
`,
  });
const results = async (p: Project) =>
  (JSON.parse((await p.dag('history', '--json')).stdout).runs as { result: string }[]).map(({ result }) => result);
const LOST = /^error: not all output could be written to stdout: ENOSPC: .*\n$/;

describe('a run goes on to its end', () => {
  test.each([
    ['when stderr is on a full disk', 'dag run 2>/dev/full; echo $? > code'],
    ['when who read stderr is gone', '{ dag run 2>&1; echo $? > code; } | head -n 1'],
  ])('%s', async (_, line) => {
    const p = held();
    const { ended } = startLine(p, line);
    await began(p, 'first');
    go(p, 'first');
    await ended;
    expect(p.read('code')).toBe('0\n');
    expect(p.read('out/second')).toBe('1\n');
    expect(await results(p)).toEqual(['done']);
  });

  test('with --json on a full disk, and says that its summary was lost', async () => {
    const p = held();
    go(p, 'first');
    const { ended, printed } = startLine(p, 'dag run --json >/dev/full');
    expect(await ended).toBe(1);
    expect(printed.stderr).toContain('2 ran, 0 fresh');
    expect(printed.stderr).toMatch(/^error: not all output could be written to stdout: ENOSPC/m);
    expect(await results(p)).toEqual(['done']);
  });

  test.each([
    ['ends well', handHeld('first'), '0\n'],
    ['fails', `${handHeld('first')}; false`, '1\n'],
  ])('with --json when nobody reads it: where it %s, the exit code says so', async (_, first, code) => {
    const p = held(first);
    const { ended } = startLine(p, '{ dag run --json; echo $? > code; } | true');
    await began(p, 'first');
    go(p, 'first');
    await ended;
    expect(p.read('code')).toBe(code);
  });
});

/** On a terminal of its own; `close` closes that. */
function onTerminal(p: Project, how: 'hangup' | 'silent', ...words: string[]) {
  const helper = path.join(REPOSITORY, 'test/rigs/terminal.py');
  const { child, printed, ended } = startProgram(p, ['python3', helper, how, ...words]);
  return { close: () => child.stdin.end(), ended: ended.then(() => `${printed.stdout}${printed.stderr}`) };
}

describe('when its terminal closes', () => {
  test('a run that is not told goes on to its end', async () => {
    const p = held();
    const { close, ended } = onTerminal(p, 'silent', process.execPath, DAG, 'run');
    await began(p, 'first');
    close();
    go(p, 'first');
    expect(await ended).toBe('0\n');
    expect(await results(p)).toEqual(['done']);
  });

  test('a run that is told by SIGHUP stops as at the first Ctrl-C: its nodes end at their safe point', async () => {
    const p = held(`trap 'echo clean > safe; exit 1' TERM; ${handHeld('first')}`);
    const { close, ended } = onTerminal(p, 'hangup', process.execPath, DAG, 'run');
    await began(p, 'first');
    close();
    expect(await ended).toBe('130\n');
    expect(p.read('safe')).toBe('clean\n');
    expect(await results(p)).toEqual(['stopped']);
  });

  test('a run under nohup goes on to its end', async () => {
    const p = held();
    const line = `nohup ${process.execPath} ${DAG} run & echo $! > pid; wait`;
    const { close, ended } = onTerminal(p, 'hangup', '/bin/sh', '-c', line);
    await began(p, 'first');
    close();
    expect(await ended).toBe('-1\n');
    go(p, 'first');
    await until(() => ['', DEAD].includes(processOf(Number(p.read('pid'))).started));
    expect(p.read('out/second')).toBe('1\n');
    expect(await results(p)).toEqual(['done']);
  });
});

describe('a command whose output is what was asked for', () => {
  let p: Project;
  beforeAll(async () => {
    p = createProject({ 'pipeline.yml': 'tasks: { a: { run: "echo 1; echo 1 > ${out.o}", out: { o: out/a } } }\n' });
    await p.run();
  });
  afterAll(() => p.remove());

  test.each([['graph'], ['graph --json'], ['status'], ['history'], ['plan'], ['log a'], ['schema'], ['--help']])(
    'dag %s: exit code 1 and one line where the disk is full, 0 and no word where the reader has seen enough',
    async (words) => {
      const full = startLine(p, `dag ${words} >/dev/full`);
      const closed = startLine(p, `{ dag ${words}; echo $? > code; } | true`);
      expect(await full.ended).toBe(1);
      expect(full.printed.stderr).toMatch(LOST);
      await closed.ended;
      expect([closed.printed.stderr, p.read('code')]).toEqual(['', '0\n']);
    },
  );

  test('a disk that takes a part of it is told as a full one', async () => {
    const { ended, printed } = startLine(p, 'ulimit -f 1; dag graph --format svg > graph.svg');
    expect(await ended).toBe(1);
    expect(printed.stderr).toMatch(/^error: not all output could be written to stdout: EFBIG/);
    expect(statSync(p.path('graph.svg')).size).toBeLessThan(2000);
  });

  test('the exit code of what it found is kept when nobody reads on', async () => {
    p.write('out/a', 'edited');
    const { ended } = startLine(p, '{ dag verify; echo $? > code; } | true');
    await ended;
    expect(p.read('code')).toBe('1\n');
  });
});

test.each([
  ['log first -f', 'stdout'],
  ['status -f --json', 'stdout'],
  ['status -f', 'stderr'],
] as const)('dag %s ends when nobody reads its %s any more, though the run goes on', async (words, stream) => {
  const p = held(`touch .first-began; until test -e .first-go; do echo tick; sleep 0.05; done`);
  p.edit('pipeline.yml', 'second:', "more: { run: 'while :; do sleep 1; done', out: { o: out/m } }\n  second:");
  const run = start(p, 'run', '--jobs', '2');
  await began(p, 'first');
  const follow = start(p, ...words.split(' '));
  await until(() => follow.printed[stream] !== '');
  follow.child[stream].destroy();
  if (stream === 'stderr' || words.includes('json')) go(p, 'first'); // So that there is more to tell.
  expect(await follow.ended).toBe(0);
  expect(existsSync(p.path('out/m'))).toBe(false);
  go(p, 'first');
  await p.dag('stop', '--now');
  expect(await run.ended).toBe(130);
  expect(journals(p)).toHaveLength(1);
  expect(readdirSync(p.path('.dag/running'))).toEqual([]);
});
