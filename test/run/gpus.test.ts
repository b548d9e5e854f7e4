// GPU slots through the real command line, on machines that a stand-in for nvidia-smi describes. What ran beside what is read
// from the journal.
import { chmodSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../engine/event.ts';
import { parseGpus } from '../../engine/run/capacity.ts';
import { createProject, type Project } from '../rigs/project.ts';

let p: Project;
afterEach(() => p?.remove());

interface Held {
  readonly node: string;
  readonly gpus: readonly number[];
}

/** The nodes that held GPUs at each instant of the run, in order, by the journal. */
function instants(project: Project): Held[][] {
  const [run] = readdirSync(project.path('.dag/runs'));
  const events = project
    .read(`.dag/runs/${run}`)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent);
  let held: Held[] = [];
  return events.map((event) => {
    if (event.type === 'node-started') held = [...held, { node: event.node, gpus: event.allotment.gpus }];
    if (event.type === 'node-done') held = held.filter(({ node }) => node !== event.node);
    return held;
  });
}

function gpuProject(smi: string[], share: Record<string, number>): Project {
  const tasks = Object.entries(share).map(
    ([name, gpu]) => `
  ${name}:
    run: "echo $CUDA_VISIBLE_DEVICES > \${out.o}; sleep 0.05"
    matrix: { i: { range: 6 } }
    out: { o: "out/${name}\${i}" }
    resources: { gpu: ${gpu} }`,
  );
  const made = createProject({
    'pipeline.yml': `tasks:${tasks.join('')}\n`,
    'bin/nvidia-smi': `#!/bin/sh\ncat <<END\n${smi.join('\n')}\nEND\n`,
  });
  chmodSync(made.path('bin/nvidia-smi'), 0o755);
  return made;
}

const machine = (gpus: number) => Array.from({ length: gpus }, (_, i) => `${i}, GPU-${i}aaaaaaa, ${1000 * (i + 1)}`);
const withGpus = (extra: Record<string, string> = {}) => ({ PATH: `${p.path('bin')}:${process.env.PATH}`, ...extra });

describe.each([1, 2, 8])('on a machine with %i GPUs', (count) => {
  test('no two exclusive nodes share one, and fractions never exceed it', async () => {
    p = gpuProject(machine(count), { whole: 1, half: 0.5, third: 0.3 });
    const answer = await p.with(withGpus()).dag('run', '--jobs', '20', '--json');
    expect(answer.code).toBe(0);
    const share = (node: string) => (node.startsWith('whole') ? 1 : node.startsWith('half') ? 0.5 : 0.3);
    let most = 0;
    for (const held of instants(p)) {
      most = Math.max(most, held.length);
      for (let gpu = 0; gpu < count; gpu++) {
        const sum = held.filter(({ gpus }) => gpus.includes(gpu)).reduce((total, { node }) => total + share(node), 0);
        expect(sum).toBeLessThanOrEqual(1 + 1e-9);
      }
    }
    expect(most).toBeGreaterThanOrEqual(Math.min(count, 3));
  });
});

test('a CUDA_VISIBLE_DEVICES that was set is honoured, and each node sees its own GPU only', async () => {
  p = gpuProject(machine(8), { whole: 1 });
  expect((await p.with(withGpus({ CUDA_VISIBLE_DEVICES: '2,5' })).dag('run', '--jobs', '8')).code).toBe(0);
  const seen = [...Array(6).keys()].map((i) => p.read(`out/whole${i}`).trim());
  expect(new Set(seen)).toEqual(new Set(['2', '5']));
});

test('the GPU with most free memory is taken first', async () => {
  p = gpuProject(['0, GPU-a, 100', '1, GPU-b, 9000', '2, GPU-c, 500'], { whole: 1 });
  expect((await p.with(withGpus()).dag('run', '--jobs', '1')).code).toBe(0);
  expect(p.read('out/whole0').trim()).toBe('1');
});

test('without a GPU, a node that needs one is refused with what to do', async () => {
  p = gpuProject([], { whole: 1 });
  const answer = await p.with(withGpus()).dag('run');
  expect(answer.code).toBe(2);
  expect(answer.stderr).toContain('it needs 1 GPU, this machine has 0');
});

test('what nvidia-smi prints besides numbers is passed over', () => {
  expect(parseGpus('0, GPU-1, 24000\n\n1, GPU-2, [N/A]\nFailed to query\n')).toEqual([
    { index: 0, uuid: 'GPU-1', freeMb: 24000 },
    { index: 1, uuid: 'GPU-2', freeMb: 0 },
  ]);
});
