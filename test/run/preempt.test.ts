// Nodes that give way to each other: real processes on two simulated GPUs, and what the journal, history and terminal say of it.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../engine/model/event.ts';
import { createProject, type Project } from '../rigs/project.ts';

let p: Project;
afterEach(() => p?.remove());

// Twenty steps of a tenth of a second; the sum so far is the checkpoint, and each step asks whether it is to stop.
const STEPS = `
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
export default {
  async run(ctx) {
    const file = ctx.scratch + '/sum.json';
    const state = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { step: 0, sum: Number(ctx.params.start) };
    ctx.log('from step ' + state.step);
    while (state.step < 30) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      state.sum = (state.sum * 1103515245 + 12345 + state.step++) % 2147483648;
      writeFileSync(file, JSON.stringify(state));
      if (ctx.signal.aborted && !ctx.params.deaf) throw ctx.signal.reason;
    }
    if (ctx.params.then) throw new Error(ctx.params.then);
    writeFileSync(ctx.output('sum'), String(state.sum));
  },
};
`;

function project(preemptible: string, params = '{ start: "${i}" }'): Project {
  return createProject({
    'pipeline.yml': `
tasks:
  long:
    use: tasks/steps.mjs
    matrix: { i: { range: 3 } }
    params: ${params}
    out: { sum: "out/sum\${i}" }
    resources: { gpu: 1, preemptible: ${preemptible} }
    duration: 3s
`,
    'tasks/steps.mjs': STEPS,
  });
}

function journal(): (RunEvent & { at: string })[] {
  const [run] = readdirSync(p.path('.dag/runs')).slice(-1);
  return p
    .read(`.dag/runs/${run}`)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** Of each instant of the journal, who holds which GPU. */
function holders(events: readonly RunEvent[]): Map<string, readonly number[]>[] {
  let held = new Map<string, readonly number[]>();
  return events.map((event) => {
    held = new Map(held);
    if (event.type === 'node-started') held.set(event.node, event.allotment.gpus);
    if (event.type === 'node-done' || event.type === 'node-failed' || event.type === 'node-yielded')
      held.delete(event.node);
    return held;
  });
}

const sums = () => [0, 1, 2].map((i) => p.read(`out/sum${i}`));
const run = (...words: string[]) => p.dag('run', '--gpus', '2', '--jobs', '4', ...words);

describe('three long nodes on two GPUs', () => {
  test('share them by giving way, and make what they make undisturbed', async () => {
    p = project('false');
    expect((await run()).code).toBe(0);
    const undisturbed = sums();
    p.remove();

    p = project('300ms');
    const answer = await run();
    expect(answer.code).toBe(0);
    expect(sums()).toEqual(undisturbed);
    const events = journal();
    const yields = events.filter((event) => event.type === 'node-yielded');
    expect(yields.length).toBeGreaterThanOrEqual(1);
    for (const held of holders(events)) {
      const used = [...held.values()].flat();
      expect(new Set(used).size).toBe(used.length);
    }
    for (const { node, to } of yields) {
      expect(answer.stderr).toContain(`${node} `);
      expect(answer.stderr).toContain(`gives way to ${to} and goes on later`);
      const done = events.find((event) => event.type === 'node-done' && event.node === node);
      expect(done?.type === 'node-done' && done.seconds).toBeGreaterThanOrEqual(3); // All its turns.
      expect(p.read(`.dag/logs/${node}.log`)).not.toContain('from step 0');
      expect(p.read(`.dag/logs/${node}.turn1.log`)).toContain('from step 0');
      const history = await p.dag('history', node);
      expect(history.stdout).toMatch(new RegExp(`gave way in .* to ${to!.replace(/[[\]]/g, '\\$&')}`, 's'));
      expect(history.stdout).toContain('ran in');
    }
    expect(events.filter((event) => event.type === 'node-failed' || event.type === 'node-retried')).toEqual([]);
    expect(readdirSync(p.path('.dag/scratch'))).toEqual([]);
  });

  test('of which the one that was asked ends by itself, or never hears: it is done, and keeps its slots until then', async () => {
    p = project('300ms', '{ start: "${i}", deaf: true }');
    const answer = await run();
    expect(answer.code).toBe(0);
    expect(journal().filter((event) => event.type === 'node-yielded')).toEqual([]);
    expect(sums()).toHaveLength(3);
  });
});

test('a failure after it was asked is a failure', async () => {
  p = project('300ms', '{ start: "${i}", deaf: true, then: broken }');
  const answer = await run('--keep-going');
  expect(answer.code).toBe(1);
  expect(journal().filter((event) => event.type === 'node-failed')).toHaveLength(3);
  expect(answer.stderr).toContain('broken');
});

test('what a node ran before it was stopped counts in the next run', async () => {
  p = project('300ms');
  const first = p.dag('run', '--gpus', '2', '--jobs', '4', 'long[i=0]');
  const scratch = () => readdirSync(p.path('.dag/scratch')).find((name) => !name.endsWith('.json'));
  await p.until('.dag/scratch');
  await untilStep(() => path.join(p.path('.dag/scratch'), scratch() ?? '', 'sum.json'), 10);
  first.signal('SIGINT');
  expect((await first).code).toBe(130);
  const why = await p.dag('why', 'long[i=0]');
  expect(why.stdout).toMatch(/it has run for .* s and goes on from there/);
  expect((await run('long[i=0]')).code).toBe(0);
  const started = journal().find((event) => event.type === 'node-started');
  expect(started?.type === 'node-started' && started.ranSeconds).toBeGreaterThanOrEqual(1);
  const done = journal().find((event) => event.type === 'node-done');
  expect(done?.type === 'node-done' && done.seconds).toBeGreaterThanOrEqual(3);
});

async function untilStep(file: () => string, step: number): Promise<void> {
  for (;;) {
    try {
      if (JSON.parse(readFileSync(file(), 'utf8')).step >= step) return;
    } catch {
      // Not there, or half written.
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a shell command is refused, since it has nowhere to keep its progress', async () => {
  p = createProject({
    'pipeline.yml': 'tasks:\n  a: { run: "true", out: { o: out/a }, resources: { preemptible: true } }\n',
  });
  const answer = await p.dag('run');
  expect(answer.code).toBe(2);
  expect(answer.stderr).toContain('a shell command cannot be preemptible');
});
