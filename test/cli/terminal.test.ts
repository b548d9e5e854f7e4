// What a run looks like: on a terminal (through a small emulator of one), and in pipes and CI.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunEvent } from '../../engine/model/event.ts';
import { createEstimator } from '../../engine/report/eta.ts';
import { tallyText } from '../../engine/report/rows.ts';
import { terminalReport } from '../../engine/report/terminal.ts';
import { clip, width } from '../../engine/text/columns.ts';

/** A control sequence of those that we use, or a letter. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what a terminal reads.
const SEQUENCE = /\u001b\[(?:[\d;]*m|(\d+)A|0J)|[^\u001b]/gu;
const ALLOTMENT = { cores: 1, memoryBytes: 0, gpus: [1] };
const CODE = { code: { kind: 'shell', command: '' }, params: {}, inputs: {}, environment: {}, outputs: [] } as const;

const started = (node: string): RunEvent => ({
  type: 'node-started',
  node,
  key: 'k',
  ingredients: CODE,
  reasons: [],
  allotment: ALLOTMENT,
  log: '',
});
const done = (node: string, seconds = 2): RunEvent => ({ type: 'node-done', node, seconds, outputs: {} });
const HEADER = { words: [], pid: 1, set: [] };
const begin = (nodes: number): RunEvent => ({ type: 'run-started', runId: 'r', profile: null, nodes, ...HEADER });
const finish = (ran: string[]): RunEvent => ({
  type: 'run-finished',
  summary: { schemaVersion: 1, ok: true, ran, restored: [], fresh: [], failed: [], seconds: 3 },
});

/** A stream that draws on a screen as a terminal would; lines that scrolled away are kept above. */
function screen(columns: number, rows: number, isTTY = true) {
  const lines: string[] = [''];
  let [row, column] = [0, 0];
  const put = (letter: string) => {
    if (column >= columns) [row, column] = [row + 1, 0];
    while (lines.length <= row) lines.push('');
    lines[row] = lines[row]!.padEnd(column).slice(0, column) + letter + lines[row]!.slice(column + 1);
    column++;
  };
  const write = (text: string) => {
    for (const [part, up] of text.matchAll(SEQUENCE)) {
      if (part === '\n') [row, column] = [row + 1, 0];
      else if (part === '\r') column = 0;
      else if (up) row -= Number(up);
      else if (part.endsWith('0J')) lines.splice(row, lines.length, lines[row]!.slice(0, column));
      else if (!part.startsWith('\u001b')) put(part);
      while (lines.length <= row) lines.push('');
    }
    return true;
  };
  const stream = { write, isTTY, columns, rows } as unknown as NodeJS.WriteStream;
  return {
    stream,
    text: () =>
      lines
        .map((line) => line.trimEnd())
        .join('\n')
        .trimEnd(),
  };
}

const CI = process.env.CI;
beforeEach(() => {
  vi.useFakeTimers();
  delete process.env.CI;
  process.env.TERM = 'xterm';
});
afterEach(() => {
  vi.useRealTimers();
  if (CI !== undefined) process.env.CI = CI;
});

const quiet = () => [];

describe('on a terminal', () => {
  test('a row a running node with time, usual time, progress, metric and slot, and the whole below', () => {
    const { stream, text } = screen(100, 24);
    const { on: report } = terminalReport({
      stream,
      tail: quiet,
      estimate: () =>
        createEstimator(
          [
            { name: 'train[fold=0]', task: 'train', seconds: 60, cores: 1, gpus: 1, needs: [] },
            { name: 'report', task: 'report', seconds: 30, cores: 1, gpus: 0, needs: ['train[fold=0]'] },
          ],
          { cores: 2, gpus: [0, 1] },
        ),
    });
    report(begin(3));
    report({ type: 'run-planned', nodes: [], capacity: { cores: 2, memoryBytes: 0, gpus: [0, 1], pools: {} } });
    report({ type: 'node-fresh', node: 'data', key: 'k' });
    report(started('train[fold=0]'));
    vi.advanceTimersByTime(20_000);
    report({ type: 'node-progress', node: 'train[fold=0]', done: 3, total: 10, unit: 'epochs' });
    report({ type: 'node-metric', node: 'train[fold=0]', name: 'loss', value: 0.123456, step: 3 });
    vi.advanceTimersByTime(1000);
    expect(text()).toBe(
      [
        '▶ train[fold=0]  21 s of ~1 min 00 s  3/10 epochs  loss 0.1235  GPU 1',
        '  1 of 3 done, 1 running; 21 s so far, about 1 min 10 s left',
      ].join('\n'),
    );
    report({ type: 'node-warned', node: 'train[fold=0]', message: 'careful' });
    report(done('train[fold=0]', 21));
    report(finish(['train[fold=0]']));
    expect(text()).toBe(
      ['! train[fold=0]: careful', '✔ train[fold=0] 21 s  loss 0.1235', '1 ran, 0 fresh in 3.0 s'].join('\n'),
    );
  });

  test('whatever happens in whatever terminal, finished lines stay and the region is the last thing on the screen', () => {
    const names = [
      'a',
      'train[model=efficientnet_b0,fold=0]',
      '脳[x=1]',
      'node[with=a,very=long,name=that,does=not,fit=in]',
    ];
    const happening = fc.oneof(
      fc.record({ what: fc.constantFrom('start', 'done', 'tick', 'warn'), name: fc.constantFrom(...names) }),
    );
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 30 }), fc.integer({ min: 30, max: 90 }), (list, columns) => {
        const { stream, text } = screen(columns, 12);
        const { on: report } = terminalReport({ stream, tail: quiet });
        report(begin(names.length));
        const running = new Set<string>();
        const finished: string[] = [];
        for (const { what, name } of list) {
          if (what === 'start' && !running.has(name)) {
            running.add(name);
            report(started(name));
          }
          if (what === 'done' && running.delete(name)) {
            finished.push(name);
            report(done(name));
          }
          if (what === 'tick') vi.advanceTimersByTime(300);
        }
        vi.advanceTimersByTime(300);
        const shown = text().split('\n');
        expect(shown.filter((line) => line.startsWith('▶'))).toHaveLength(running.size);
        expect(shown.filter((line) => line.startsWith('✔'))).toHaveLength(finished.length);
        if (running.size > 0) expect(shown.at(-1)).toMatch(/^ {2}\d+ of 4 done/);
        report(finish(finished));
        expect(
          text()
            .split('\n')
            .filter((line) => line.startsWith('▶')),
        ).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('more nodes than rows are counted', () => {
    const { stream, text } = screen(80, 10);
    const { on: report } = terminalReport({ stream, tail: quiet });
    report(begin(50));
    for (let i = 0; i < 50; i++) report(started(`n${i}`));
    vi.advanceTimersByTime(1000);
    expect(text().split('\n')).toHaveLength(8);
    expect(text()).toContain('and 44 more');
  });

  test('a thousand results a moment are a few writes', () => {
    const { stream } = screen(80, 24);
    const write = vi.spyOn(stream, 'write');
    const { on: report } = terminalReport({ stream, tail: quiet });
    report(begin(1000));
    for (let i = 0; i < 1000; i++) {
      report(started(`n${i}`));
      report(done(`n${i}`));
    }
    vi.advanceTimersByTime(100);
    report(finish([]));
    expect(write.mock.calls.length).toBeLessThan(5);
  });
});

describe('in pipes and CI', () => {
  test('starts and ends are lines, and every 30 s one says what runs', () => {
    const { stream, text } = screen(200, 24, false);
    const { on: report } = terminalReport({ stream, tail: quiet });
    report(begin(2));
    report(started('slow'));
    vi.advanceTimersByTime(61_000);
    report(done('slow', 61));
    report(finish(['slow']));
    vi.advanceTimersByTime(90_000);
    expect(text()).toBe(
      [
        '▶ slow',
        '· 0 of 2 done, 1 running; 30 s so far',
        '    slow  30 s  GPU 1',
        '· 0 of 2 done, 1 running; 1 min 00 s so far',
        '    slow  1 min 00 s  GPU 1',
        '✔ slow 1 min 01 s',
        '1 ran, 0 fresh in 3.0 s',
      ].join('\n'),
    );
  });
});

describe('the estimate', () => {
  const node = (name: string, seconds: number | null, needs: string[] = []) => ({
    name,
    task: name[0]!,
    seconds,
    cores: 1,
    gpus: 0,
    needs,
  });

  test('is the longest path, or the work over the cores, whichever is more', () => {
    const capacity = { cores: 2, gpus: [] };
    expect(createEstimator([node('a', 10), node('b', 5, ['a'])], capacity).left(0)).toBe(15);
    expect(
      createEstimator(
        ['a', 'b', 'c', 'd'].map((name) => node(name, 10)),
        capacity,
      ).left(0),
    ).toBe(20);
  });

  test('is none while too little is known, and learns from the nodes of the same task', () => {
    const estimator = createEstimator(
      ['a1', 'a2', 'a3'].map((name) => node(name, null)),
      { cores: 1, gpus: [] },
    );
    expect(estimator.left(0)).toBeNull();
    estimator.started('a1', 0, 0);
    estimator.settled('a1', 4);
    expect(estimator.usual('a2')).toBe(4);
    expect(estimator.left(0)).toBe(8);
  });

  test('is none where all that is left has overrun its usual time, and one where something is known to come', () => {
    const estimator = createEstimator([node('a', 10), node('b', 5, ['a'])], { cores: 2, gpus: [] });
    estimator.started('a', 0, 0);
    expect(estimator.left(30_000)).toBe(5.5);
    estimator.settled('a', 30);
    estimator.started('b', 30_000, 0);
    expect(estimator.left(34_000)).toBe(1);
    expect(estimator.left(35_000)).toBe(0);
    const tally = { total: 2, done: 1, running: 1, failed: 0, blocked: 0, startedMs: 0 };
    expect(tallyText({ ...tally, leftSeconds: estimator.left(35_000) }, 35_000)).toBe(
      '1 of 2 done, 1 running; 35 s so far, done any moment',
    );
  });
});

test('texts are cut by the columns that they take, not by their letters', () => {
  expect(width('脳a')).toBe(3);
  expect(clip('脳脳脳', 5)).toBe('脳脳…');
  expect(clip('abc', 3)).toBe('abc');
});
