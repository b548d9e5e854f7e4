// history, diff, log --follow, status --follow and stop: other terminals beside a run, and the journals it leaves.
import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readJournal } from '../../engine/journal/read.ts';
import { journalTo } from '../../engine/journal/write.ts';
import { openProject, type Project } from '../rigs/project.ts';
import { began, go, handHeld, journals, start, until } from './rig.ts';

const TRAINING = {
  'pipeline.yml': `
params: { epochs: 2, word: one }
tasks:
  data: { run: "cp \${in.raw} \${out.x}", in: { raw: raw.txt }, out: { x: out/data } }
  train: { use: train.ts, in: { data: "\${data.x}" }, params: { epochs: "\${epochs}" }, out: { x: out/train } }
`,
  'raw.txt': 'one\n',
  'train.ts': `
import { writeFileSync } from 'node:fs';
export default {
  run(ctx: any) {
    for (let i = 1; i <= ctx.params.epochs; i++) ctx.metric('loss', 1 / i, i);
    writeFileSync(ctx.output('x'), String(ctx.params.epochs));
  },
};
`,
};

const HELD = {
  'pipeline.yml': `
tasks:
  first: { run: "echo early; ${handHeld('first')}; echo late; echo x > \${out.x}", out: { x: out/first } }
  second: { run: "cp \${in.x} \${out.x}", in: { x: "\${first.x}" }, out: { x: out/second } }
`,
};

describe('history', () => {
  test('lists runs with command, counts and result, and says each time a node ran and why', async () => {
    const p = openProject(TRAINING);
    await p.run();
    await p.run('--set', 'epochs=4');
    p.edit('train.ts', '1 / i', '1 / (i * noSuchName)');
    expect((await p.dag('run', 'train')).code).toBe(1);
    const { runs } = JSON.parse((await p.dag('history', '--json')).stdout);
    expect(runs).toMatchObject([
      { words: ['run', 'train'], result: 'failed', ran: 0, fresh: 1, failed: 1 },
      { words: ['run', '--json', '--set', 'epochs=4'], set: ['epochs=4'], result: 'done', ran: 1, fresh: 1 },
      { words: ['run', '--json'], result: 'done', ran: 2, fresh: 0 },
    ]);
    const { nodes } = JSON.parse((await p.dag('history', 'train', '--json')).stdout);
    expect(nodes[0].happened).toMatchObject([
      { kind: 'ran', reasons: [{ kind: 'never-ran' }], metrics: { loss: 0.5 } },
      { kind: 'ran', reasons: [{ kind: 'param', name: 'epochs', before: 2, after: 4 }], metrics: { loss: 0.25 } },
      { kind: 'failed', message: expect.stringContaining('noSuchName') },
    ]);
    const text = (await p.dag('history', 'train')).stdout;
    expect(text).toContain('parameter epochs: 2 → 4');
    expect((await p.dag('history')).stdout).toContain('dag run --json --set epochs=4');
  });

  test('a metric that diverges is told as it is: in the terminal, in history and in diff, as text and as JSON', async () => {
    const p = openProject(TRAINING);
    await p.run();
    p.edit('train.ts', '1 / i', 'i === 1 ? 1 : NaN');
    p.edit('train.ts', 'writeFileSync(', "ctx.metric('gradient', -1 / 0); writeFileSync(");
    expect((await p.dag('run')).stderr).toContain('gradient -Infinity');
    expect((await p.dag('history', 'train')).stdout).toContain('loss NaN, gradient -Infinity');
    const { nodes } = JSON.parse((await p.dag('history', 'train', '--json')).stdout);
    expect(nodes[0].happened[1].metrics).toEqual({ loss: 'NaN', gradient: '-Infinity' });
    expect((await p.dag('diff')).stdout).toMatch(/loss +0.5 +NaN +NaN +train/);
    expect(JSON.parse((await p.dag('diff', '--json')).stdout).metrics).toContainEqual({
      node: 'train',
      name: 'loss',
      before: 0.5,
      after: 'NaN',
    });
    const { events } = readJournal(p.path('.dag/runs'), journals(p).at(-1)!.replace('.jsonl', ''));
    expect(events.flatMap((event) => (event.type === 'node-metric' ? [event.value] : []))).toEqual([
      1,
      Number.NaN,
      -1 / 0,
    ]);
  });

  test('a journal of before has null for such a metric, and is read', async () => {
    const p = openProject(TRAINING);
    await p.run();
    const file = `.dag/runs/${journals(p)[0]}`;
    p.edit(file, '"metrics":{"loss":0.5}', '"metrics":{"loss":null}');
    expect((await p.dag('history', 'train')).stdout).toContain('loss NaN');
  });

  test('what is no number is refused as a metric', async () => {
    const p = openProject(TRAINING);
    p.edit('train.ts', '1 / i', "'0.5'");
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('train: ctx.metric takes numbers, and was given string for "loss"');
  });

  test('a run in which nothing happened is no run', async () => {
    const p = openProject(TRAINING);
    await p.run();
    await p.run();
    expect(journals(p)).toHaveLength(1);
  });

  test('a journal cut at any byte gives all of its whole lines, and the torn one is told', async () => {
    const p = openProject(TRAINING);
    await p.run();
    const [name] = journals(p);
    const folder = p.path('.dag/runs');
    const file = path.join(folder, name!);
    const bytes = readFileSync(file);
    for (let size = bytes.length; size >= 0; size -= 7) {
      truncateSync(file, size);
      const journal = readJournal(folder, name!.replace('.jsonl', ''));
      const torn = size > 0 && bytes[size - 1] !== 10;
      expect(journal.trouble).toHaveLength(torn ? 1 : 0);
    }
    writeFileSync(file, bytes.subarray(0, bytes.length - 3));
    const answer = await p.dag('history');
    expect(answer.code).toBe(0);
    expect(answer.stdout).toContain('died');
    expect(answer.stderr).toContain('its last line is torn');
  });

  test('lines of a later version are passed over and counted', async () => {
    const p = openProject(TRAINING);
    await p.run();
    appendFileSync(p.path(`.dag/runs/${journals(p)[0]}`), '{"v":99,"type":"node-done","node":"train"}\n');
    const answer = await p.dag('history', 'train');
    expect(answer.stdout).toContain('ran in');
    expect(answer.stderr).toContain('1 line could not be read');
  });

  test('of a node that never ran it says so', async () => {
    const p = openProject(TRAINING);
    await p.run('data');
    const answer = await p.dag('history', 'train');
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('it has not run in this project');
  });
});

describe('a journal', () => {
  const journal = (p: Project) => journalTo(p.path('runs'), 'r');
  const metric = (value: number) => ({ type: 'node-metric', node: 'n', name: 'loss', value, step: null }) as const;

  test('of ten days of metrics and progress keeps a few ten thousand lines, and the last values', () => {
    const p = openProject({});
    const listen = journal(p);
    let last = 0;
    for (let nowMs = 0; nowMs < 10 * 86_400_000; nowMs += 5000) {
      last = nowMs;
      listen.on(metric(last), nowMs);
      listen.on({ type: 'node-progress', node: 'n', done: nowMs, total: 1, unit: '' }, nowMs);
    }
    listen.on({ type: 'node-done', node: 'n', seconds: 1, outputs: {} }, last);
    const { events } = readJournal(p.path('runs'), 'r');
    expect(events.length).toBeLessThan(65_000);
    expect(events.findLast(({ type }) => type === 'node-metric')).toMatchObject({ name: 'loss', value: last });
    expect(events.at(-1)).toMatchObject({ type: 'node-done' });
  });

  test('that cannot be written ends no run', () => {
    const p = openProject({ runs: 'a file where a folder should be' });
    const listen = journal(p);
    expect(() => listen.on(metric(1), 0)).not.toThrow();
  });
});

describe('diff', () => {
  test('shows parameters, code, data and metrics side by side', async () => {
    const p = openProject(TRAINING);
    await p.run();
    p.write('raw.txt', 'two\n');
    p.edit('train.ts', '1 / i', '3 / i');
    await p.run('--set', 'epochs=4');
    const diff = JSON.parse((await p.dag('diff', '--json')).stdout);
    expect(diff.params).toMatchObject([{ name: 'epochs', before: 2, after: 4, nodes: ['train'] }]);
    expect(diff.code).toMatchObject([{ name: 'train.ts', nodes: ['train'] }]);
    expect(diff.data).toMatchObject([
      { name: 'raw.txt', nodes: ['data'] },
      { name: 'out/data', nodes: ['train'] },
    ]);
    expect(diff.metrics).toEqual([{ node: 'train', name: 'loss', before: 0.5, after: 0.75 }]);
    const text = (await p.dag('diff', 'last~1', 'last')).stdout;
    expect(text).toMatch(/epochs +2 +4 +train/);
    expect(text).toMatch(/loss +0\.5 +0\.75 +\+0\.25/);
    expect((await p.dag('diff', '--md')).stdout).toContain('| loss | 0.5 | 0.75 | +0.25 | train |');
  });

  test('knows what a fresh node was made of, from the run that made it', async () => {
    const p = openProject(TRAINING);
    await p.run();
    await p.run('train', '--set', 'epochs=4');
    p.write('raw.txt', 'two\n');
    await p.run('data');
    expect(JSON.parse((await p.dag('diff', 'last~2', 'last~1', '--json')).stdout)).toMatchObject({ same: 1, code: [] });
    expect(JSON.parse((await p.dag('diff', 'last~1', 'last', '--json')).stdout)).toMatchObject({
      data: [{ name: 'raw.txt' }],
      removed: ['train'],
    });
  });

  test('an unknown run is refused with what there is', async () => {
    const p = openProject(TRAINING);
    await p.run();
    const answer = await p.dag('diff');
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('there is no run "last~1"');
  });
});

describe('beside a run', () => {
  test('log --follow waits for the node, prints what it prints, and ends when it ends', async () => {
    const p = openProject(HELD);
    const run = p.dag('run');
    await began(p, 'first');
    const log = start(p, 'log', 'first', '-f');
    await until(() => log.printed.stdout.includes('early'));
    expect(log.printed.stdout).toBe('early\n');
    go(p, 'first');
    expect(await log.ended).toBe(0);
    expect(log.printed.stdout).toBe('early\nlate\n');
    expect((await run).code).toBe(0);
    const both = await p.dag('log', 'first', '-f', '--json');
    expect(both).toMatchObject({ code: 2, stdout: '' });
    expect(both.stderr).toContain('take one of them');
  });

  test('status --follow shows the run of another terminal to its end', async () => {
    const p = openProject(HELD);
    const run = p.dag('run');
    await began(p, 'first');
    const follow = start(p, 'status', '--follow');
    const lines = start(p, 'status', '--follow', '--json');
    await until(() => follow.printed.stderr.includes('▶ first') && lines.printed.stdout.includes('"node-started"'));
    go(p, 'first');
    expect(await follow.ended).toBe(0);
    expect(await lines.ended).toBe(0);
    expect(lines.printed.stdout).toBe(p.read(`.dag/runs/${journals(p)[0]}`));
    expect(follow.printed.stderr).toContain('✔ second');
    expect(follow.printed.stderr).toContain('2 ran, 0 fresh');
    await run;
    expect((await p.dag('status', '--follow')).stderr).toContain('no run is going on');
  });

  test('stop ends the run as Ctrl-C would, and returns when it has ended', async () => {
    const p = openProject(HELD);
    const run = p.dag('run');
    await began(p, 'first');
    const stop = await p.dag('stop', '--json');
    expect(stop.code).toBe(0);
    expect(JSON.parse(stop.stdout).stopped).toBeGreaterThan(1);
    expect((await run).code).toBe(130);
    expect(JSON.parse((await p.dag('history', '--json')).stdout).runs).toMatchObject([{ result: 'stopped', ran: 0 }]);
    expect((await p.dag('stop')).stderr).toContain('nothing is running');
  });

  test('stop never signals a stranger that has the PID of a dead run', async () => {
    const p = openProject(TRAINING);
    await p.run();
    const stranger = spawn('sleep', ['100']);
    const ended = new Promise((resolve) => stranger.on('exit', (_, signal) => resolve(signal)));
    const owner = { pid: stranger.pid, started: '00000000-1', host: hostname(), command: 'dag run', since: 'long ago' };
    p.write('.dag/run.lock/1000', JSON.stringify({ owner }));
    expect((await p.dag('stop', '--now')).stderr).toContain('nothing is running');
    stranger.kill('SIGUSR2');
    expect(await ended).toBe('SIGUSR2');
  });

  test('stop --now kills what does not want to stop', async () => {
    const p = openProject(HELD);
    p.edit('pipeline.yml', 'echo early;', "trap '' TERM; echo early;");
    const run = p.dag('run');
    await began(p, 'first');
    await p.dag('stop', '--now');
    expect((await run).code).toBe(130);
  });

  test('a run killed with SIGKILL is told as died, and a follower says so', async () => {
    const p = openProject(HELD);
    const dag = start(p, 'run');
    await began(p, 'first');
    const follow = start(p, 'status', '--follow');
    await until(() => follow.printed.stderr.includes('▶ first'));
    dag.child.kill('SIGKILL');
    expect(await follow.ended).toBe(1);
    expect(follow.printed.stderr).toContain('its process was killed');
    expect((await p.dag('history')).stdout).toContain('died');
    expect((await p.dag('stop')).stderr).toContain('nothing is running');
    go(p, 'first');
  });
});
