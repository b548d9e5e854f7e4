// GPU slots through the real command line, on machines that a stand-in for nvidia-smi describes. What ran beside what is read
// from the journal.
import { chmodSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { parseGpus } from '../../engine/exec/local/machine.ts';
import type { RunEvent } from '../../engine/model/event.ts';
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

const seenOn = () => new Set([...Array(6).keys()].map((i) => p.read(`out/whole${i}`).trim()));

test.each([
  ['--gpus takes as many of it as it says', '2,3', ['--gpus', '1'], ['2']],
  ['--gpus takes no more than it has', '2,3', ['--gpus', '5'], ['2', '3']],
  ['--gpus takes UUIDs as they stand', 'GPU-7,MIG-9', ['--gpus', '2'], ['GPU-7', 'MIG-9']],
  ['(beginnings of) UUIDs are found', 'GPU-2aaa,GPU-5', [], ['GPU-2aaa', 'GPU-5']],
  ['parts of GPUs are believed', 'MIG-a,MIG-b', [], ['MIG-a', 'MIG-b']],
  ['what stands behind a device that is none does not count', '4,-1,5', [], ['4']],
  ['a device that is not there is left out', '4,11', [], ['4']],
])('of a CUDA_VISIBLE_DEVICES that was set, %s', async (_, given, flags, seen) => {
  p = gpuProject(machine(8), { whole: 1 });
  const answer = await p.with(withGpus({ CUDA_VISIBLE_DEVICES: given })).dag('run', '--jobs', '8', ...flags);
  expect(answer.code).toBe(0);
  expect(seenOn()).toEqual(new Set(seen));
});

test('an empty CUDA_VISIBLE_DEVICES is no GPU', async () => {
  p = gpuProject(machine(8), { whole: 1 });
  const answer = await p.with(withGpus({ CUDA_VISIBLE_DEVICES: '' })).dag('run');
  expect(answer.stderr).toContain('it needs 1 GPU, this machine has 0');
});

test('indices are counted as nvidia-smi counts, but where CUDA_VISIBLE_DEVICES or CUDA_DEVICE_ORDER was set', async () => {
  p = gpuProject(machine(1), { whole: 1 });
  p.edit('pipeline.yml', '$CUDA_VISIBLE_DEVICES', () => '$${CUDA_DEVICE_ORDER-none}');
  for (const [given, order] of [
    [{}, 'PCI_BUS_ID'],
    [{ CUDA_VISIBLE_DEVICES: '0' }, 'none'],
    [{ CUDA_DEVICE_ORDER: 'FASTEST_FIRST' }, 'FASTEST_FIRST'],
  ] as const) {
    expect((await p.with(withGpus(given)).dag('run', '--force')).code).toBe(0);
    expect(seenOn()).toEqual(new Set([order]));
  }
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
