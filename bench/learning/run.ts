// bench learning: published networks beside PyTorch in one run. The same batch, threads and allocator environment for both; each
// job has a process of its own, and they are taken in turn, so that a noisy machine is noisy for all. Prints images/s of the
// median step, milliseconds of CPU a step (with one thread, steadier where others use the machine; waiting threads spin), peak
// memory, and our ratios to the best of PyTorch's layouts.
//
//   node bench/run.mjs learning [--cases train:efficientnet_b0:64,infer:efficientnet_b0:224,…] [--rounds 2] [--seconds 6]
//       [--threads 2] [--batch 16] [--python /usr/bin/python3] [--peer PYTHON [--peer …]] [--profile]
//
// --peer is another Python whose PyTorch is measured too, channels-last and compiled; --profile says where our time goes.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Arch } from '../../tasks/learning/models/models.ts';
import { type Job, measure } from './ours.ts';
import { profile } from './profile.ts';

interface Result {
  readonly version?: string;
  readonly median: number;
  readonly cpu: number;
  readonly create: number;
  readonly memory: number;
}

/** Somebody who can do a job: a command, and its words before the job's. */
interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

type Case = Pick<Job, 'arch' | 'job' | 'side'>;

const ALL_CASES = [
  'train:efficientnet_b0:64',
  'train:efficientnet_b0:224',
  'infer:efficientnet_b0:64',
  'infer:efficientnet_b0:224',
  'train:densenet169:128',
  'train:se_resnext101_32x4d:128',
].join(',');

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: ALL_CASES },
    rounds: { type: 'string', default: '2' },
    /** Of measuring, for each of us in each round; three steps at least. */
    seconds: { type: 'string', default: '6' },
    threads: { type: 'string', default: '2' },
    batch: { type: 'string', default: '16' },
    python: { type: 'string', default: '/usr/bin/python3' },
    peer: { type: 'string', multiple: true, default: [] },
    profile: { type: 'boolean', default: false },
    /** A job, as JSON: this process is one of ours. */
    job: { type: 'string' },
  },
});
const [rounds, seconds, threads, batch] = [values.rounds, values.seconds, values.threads, values.batch].map(Number) as [
  number,
  number,
  number,
  number,
];
const ROWS = 16;

/**
 * The engine's own for its nodes, for both sides. Page faults dominate otherwise: glibc would give every large block back to
 * the system, and ask for small pages.
 */
const env = {
  ...process.env,
  ROOT: process.cwd(),
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '17179869184',
  MALLOC_TOP_PAD_: '268435456',
};

function contenders(): Contender[] {
  const script = path.resolve('bench/learning/pytorch.py');
  const torch = (python: string, name: string, ...flags: string[]): Contender => ({
    name: `${name}${flags.map((flag) => flag.replace('--', ' ')).join('')}`,
    command: [python, script, ...flags],
  });
  return [
    { name: 'ours', command: [process.execPath, fileURLToPath(import.meta.url)] },
    torch(values.python, 'torch'),
    torch(values.python, 'torch', '--channels-last'),
    ...values.peer.flatMap((python, i) => {
      const name = `peer ${i + 1}`;
      return [
        torch(python, name, '--channels-last'),
        torch(python, name, '--compiled'),
        torch(python, name, '--channels-last', '--compiled'),
      ];
    }),
  ];
}

function parseCase(text: string): Case {
  const [job, arch, side] = text.split(':');
  if ((job !== 'train' && job !== 'infer') || !arch || !Number(side)) {
    throw new Error(`--cases: "${text}" is not train:NETWORK:SIDE or infer:NETWORK:SIDE`);
  }
  return { job, arch: arch as Arch, side: Number(side) };
}

/** Its result, or the last line of what it said instead. */
function run({ name, command }: Contender, job: Job): Result | string {
  const words =
    name === 'ours'
      ? ['--job', JSON.stringify(job)]
      : Object.entries(job).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const [program, ...rest] = command as [string, ...string[]];
  const { status, stdout, stderr, error } = spawnSync(program, [...rest, ...words], { env, encoding: 'utf8' });
  const last = (text: string): string => text.trim().split('\n').at(-1)!;
  return status === 0 ? (JSON.parse(last(stdout)) as Result) : (error?.message ?? last(stderr));
}

/** The round with the fastest median; of the CPU and of memory the least. */
function better(a: Result | undefined, b: Result): Result {
  if (a === undefined) return b;
  const faster = b.median < a.median ? b : a;
  return { ...faster, cpu: Math.min(a.cpu, b.cpu), memory: Math.min(a.memory, b.memory) };
}

function bench(one: Case): void {
  const best = new Map<Contender, Result>();
  const failed = new Map<Contender, string>();
  const all = contenders();
  for (let round = 0; round < rounds; round++) {
    for (const contender of all.filter((each) => !failed.has(each))) {
      const result = run(contender, { ...one, batch, threads, seconds });
      if (typeof result === 'string') failed.set(contender, result);
      else best.set(contender, better(best.get(contender), result));
    }
  }
  console.log(`\n${one.job} ${one.arch}, ${one.side} pixels`);
  console.log('                                 images/s   CPU ms   peak MB   start ms');
  for (const contender of all) {
    const result = best.get(contender);
    const name = `${contender.name}${result?.version ? ` (${result.version})` : ''}`.padEnd(32);
    if (result === undefined) console.log(`${name} does not run: ${failed.get(contender)}`);
    else {
      const cells = [(1000 * batch) / result.median, result.cpu, result.memory, result.create];
      console.log(
        `${name} ${cells.map((value, i) => value.toFixed(i === 0 ? 1 : 0).padStart(i === 0 ? 8 : 9)).join('')}`,
      );
    }
  }
  const ours = best.get(all[0]!);
  if (ours === undefined) return;
  printRatios(
    "torch's best",
    ours,
    [...best].filter(([{ name }]) => name.startsWith('torch')),
  );
  printRatios(
    'the best of peers',
    ours,
    [...best].filter(([{ name }]) => name.startsWith('peer')),
  );
}

function printRatios(whose: string, ours: Result, theirs: readonly (readonly [Contender, Result])[]): void {
  if (theirs.length === 0) return;
  const least = (of: (result: Result) => number): number => Math.min(...theirs.map(([, result]) => of(result)));
  const speed = least(({ median }) => median) / ours.median;
  const cpu = least((result) => result.cpu) / ours.cpu;
  const memory = ours.memory / least((result) => result.memory);
  console.log(`ours / ${whose}: speed ${speed.toFixed(2)}, by CPU time ${cpu.toFixed(2)}, memory ${memory.toFixed(2)}`);
}

if (values.job !== undefined) {
  await measure(JSON.parse(values.job) as Job);
  process.exit(0); // ONNX Runtime's threads would keep the process.
}
console.log(`batch ${batch}, ${threads} threads, best of ${rounds} rounds`);
for (const one of values.cases.split(',').map(parseCase)) {
  bench(one);
  if (values.profile && one.job === 'train') {
    await profile({ name: 'bench', arch: one.arch, input: one.side }, { batch, threads, rows: ROWS });
  }
}
process.exit(0);
