// A journal read again is the stream of events that was told: all of them in their order, but for progress and metrics that were
// thinned out; and of these the last value of each metric of a node that is done.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import type { Digest } from '../../cache/index.ts';
import { createDecoder } from '../../engine/journal/decode.ts';
import { readJournal } from '../../engine/journal/read.ts';
import { tailLines } from '../../engine/journal/tail.ts';
import { journalTo } from '../../engine/journal/write.ts';
import type { RunEvent } from '../../engine/model/event.ts';
import type { Ingredients } from '../../engine/model/ingredients.ts';
import type { Reason } from '../../engine/model/reason.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'dag-replay-'));
afterAll(() => rmSync(folder, { recursive: true }));

const node = fc.constantFrom('a', 'train[fold=0]', 'train[fold=1]', 'ü "x"\n');
const key = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 4, maxLength: 4 });
const seconds = fc.integer({ min: 0, max: 1000 }).map((ms) => ms / 10);
const value = fc.double({ noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number));
const reasons: fc.Arbitrary<Reason[]> = fc.constantFrom([], [{ kind: 'param', name: 'p', before: 1, after: null }]);
const ingredients: fc.Arbitrary<Ingredients> = fc.constantFrom('one', 'two', null).map((digest) => ({
  code:
    digest === null
      ? { kind: 'shell', command: 'true' }
      : {
          kind: 'module',
          path: `${digest}.ts`,
          digest: digest as Digest,
          files: { [digest]: 'x' },
          packages: { p: '1' },
        },
  params: { p: [1, { q: null }] },
  inputs: { i: [{ axes: '', path: 'in', kind: 'file', digest: 'd' }] },
  environment: { HOME: null },
  outputs: ['o'],
}));
const failure = fc.record({
  kind: fc.constantFrom('input', 'task', 'interrupted'),
  message: fc.string(),
});
const type = <T extends RunEvent['type']>(name: T) => fc.constant(name);
const event: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({ type: type('node-fresh'), node, key }),
  fc.record({ type: type('node-restored'), node, key, ingredients, reasons, seconds }),
  fc.record({
    type: type('node-started'),
    node,
    key,
    ingredients,
    reasons,
    allotment: fc.constant({ cores: 1, memoryBytes: 5, gpus: [0] }),
    log: fc.constant('.dag/logs/a.log'),
  }),
  fc.record({ type: type('node-progress'), node, done: fc.nat(9), total: fc.constant(9), unit: fc.string() }),
  fc.record({
    type: type('node-metric'),
    node,
    name: fc.constantFrom('loss', 'auc'),
    value,
    step: fc.option(fc.nat(99)),
  }),
  fc.record({ type: type('node-warned'), node, message: fc.string() }),
  fc.record({ type: type('node-done'), node, seconds, outputs: fc.constant({ o: 'digest' }) }),
  fc.record({ type: type('node-failed'), node, failure, seconds }),
  fc.record({ type: type('node-retried'), node, failure, attempt: fc.nat(3), waitSeconds: seconds }),
  fc.record({ type: type('node-yielded'), node, to: fc.option(node), seconds }),
  fc.record({ type: type('nodes-reopened'), nodes: fc.array(node), settled: fc.nat(3) }),
  fc.record({ type: type('node-blocked'), node, by: node }),
  fc.record({ type: type('note'), message: fc.string() }),
);
const begun: RunEvent[] = [
  { type: 'run-started', runId: 'r', profile: null, nodes: 4, words: ['run', 'a b'], pid: 7, set: ['p=1'] },
  { type: 'run-planned', nodes: ['a'], capacity: { cores: 2, memoryBytes: 1, gpus: [0], pools: { disk: 1 } } },
];
/** So that there is a journal: a run in which all is fresh leaves none. */
const ended: RunEvent[] = [
  { type: 'note', message: 'the end' },
  {
    type: 'run-finished',
    summary: { schemaVersion: 1, ok: true, ran: [], restored: [], fresh: [], failed: [], seconds: 1 },
  },
];

/** Milliseconds between events: at once, or so that a thinned line is due. */
const steps = fc
  .array(fc.tuple(event, fc.constantFrom(0, 1, 500, 40_000)), { maxLength: 60 })
  // A node is found fresh once, unless something else happens to it.
  .map((list) =>
    list.map(([one, ms], at) => [one.type === 'node-fresh' ? { ...one, node: `f${at}` } : one, ms] as const),
  );
let count = 0;

function written(told: readonly (readonly [RunEvent, number])[]): string {
  const id = `run${count++}`;
  const journal = journalTo(folder, id);
  let nowMs = 0;
  for (const [one, pauseMs] of told) {
    nowMs += pauseMs;
    journal.on(one, nowMs);
  }
  return id;
}

const isThinned = ({ type: name }: RunEvent) => name === 'node-progress' || name === 'node-metric';
const timeless = ({ at: _, ...one }: RunEvent & { at: string }) => one as RunEvent;

test('all events are read again as they were told, but for progress and metrics', () => {
  fc.assert(
    fc.property(steps, (middle) => {
      const told = [...begun.map((one) => [one, 0] as const), ...middle, ...ended.map((one) => [one, 1] as const)];
      const { events, trouble } = readJournal(folder, written(told));
      expect(trouble).toEqual([]);
      const whole = told.map(([one]) => one);
      const read = events.map(timeless);
      expect(read.filter((one) => !isThinned(one))).toEqual(whole.filter((one) => !isThinned(one)));
    }),
  );
});

test('what is read of progress was told, and at the end of a node the last value of each of its metrics is known', () => {
  fc.assert(
    fc.property(steps, (middle) => {
      const told = [...middle, ...ended.map((one) => [one, 1] as const)];
      const read = readJournal(folder, written(told)).events.map(timeless);
      const whole = told.map(([one]) => one);
      const isProgress = ({ type: name }: RunEvent) => name === 'node-progress';
      expect(whole.filter(isProgress)).toEqual(expect.arrayContaining(read.filter(isProgress)));
      expect(metricsAtEnds(read)).toEqual(metricsAtEnds(whole));
    }),
  );
});

test('who follows a journal hears the events that who reads it afterwards hears', () => {
  fc.assert(
    fc.property(steps, (middle) => {
      const id = `run${count++}`;
      const journal = journalTo(folder, id);
      const lines = tailLines(path.join(folder, `${id}.jsonl`));
      const decode = createDecoder();
      const followed: RunEvent[] = [];
      let nowMs = 0;
      for (const [one, pauseMs] of [...middle, ...ended.map((last) => [last, 1] as const)]) {
        nowMs += pauseMs;
        journal.on(one, nowMs);
        for (const text of lines.read()) followed.push(...decode(text)!);
      }
      expect(followed).toEqual(readJournal(folder, id).events);
    }),
    { numRuns: 30 },
  );
});

function metricsAtEnds(events: readonly RunEvent[]): unknown[] {
  const last = new Map<string, Record<string, number>>();
  return events.flatMap((one) => {
    if (one.type === 'node-started') last.delete(one.node);
    if (one.type === 'node-metric') last.set(one.node, { ...last.get(one.node), [one.name]: one.value });
    return one.type === 'node-done' ? [[one.node, last.get(one.node) ?? {}]] : [];
  });
}
