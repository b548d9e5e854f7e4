// EfficientNet-B0 beside PyTorch in one run: the same batch, threads and allocator environment for both, the jobs taken in
// turn so that a noisy machine is noisy for both. Prints images/s, peak memory and ratios.
// `node bench/run.mjs learning [rounds (2)] [seconds a job (8)] [threads (2)] [batch (16)]`. Each job has a process of its own.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { measure } from './ours.ts';

interface Result {
  median: number;
  best: number;
  create: number;
  memory: number;
}

const words = process.argv.slice(2);
const number = (i: number, fallback: number): number => Number(words[i] ?? fallback);
const [rounds, seconds, threads, batch] = [number(0, 2), number(1, 8), number(2, 2), number(3, 16)];
const root = process.cwd();
/** Page faults dominate both sides otherwise: glibc would give every large block back to the system. */
const env = {
  ...process.env,
  ROOT: root,
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '17179869184',
  MALLOC_TOP_PAD_: '268435456',
};
const python = process.env.PYTHON ?? '/usr/bin/python3';

function run(command: string, args: readonly string[], job: string, side: number): Result {
  const numbers = [side, batch, threads, seconds].map(String);
  const [script, ...rest] = args as [string, ...string[]];
  const output = execFileSync(command, [script, ...rest, job, ...numbers], { env, encoding: 'utf8' });
  return JSON.parse(output.trim().split('\n').at(-1)!) as Result;
}

const sides: Record<string, (job: string, side: number) => Result> = {
  ours: (job, side) => run(process.execPath, [fileURLToPath(import.meta.url), 'worker'], job, side),
  'torch plain': (job, side) => run(python, [path.join(root, 'bench/learning/pytorch.py'), 'plain'], job, side),
  'torch channels-last': (job, side) =>
    run(python, [path.join(root, 'bench/learning/pytorch.py'), 'channels_last'], job, side),
};

const cases = [
  ['train', 64],
  ['train', 224],
  ['infer', 64],
  ['infer', 224],
] as const;

function main(): void {
  console.log(`EfficientNet-B0, batch ${batch}, ${threads} threads, best of ${rounds} rounds (median step of each)`);
  console.log('job        who                  images/s   peak MB   start ms');
  for (const [job, side] of cases) {
    const best = new Map<string, Result>();
    for (let round = 0; round < rounds; round++) {
      for (const [name, measure] of Object.entries(sides)) {
        const result = measure(job, side);
        const before = best.get(name);
        if (before === undefined || result.median < before.median) best.set(name, result);
      }
    }
    const rate = (name: string): number => (1000 * batch) / best.get(name)!.median;
    for (const [name, { memory, create }] of best) {
      const cells = [rate(name).toFixed(1).padStart(8), memory.toFixed(0).padStart(9), create.toFixed(0).padStart(10)];
      console.log(`${`${job} ${side}`.padEnd(10)} ${name.padEnd(20)} ${cells.join(' ')}`);
    }
    const torch = Math.max(rate('torch plain'), rate('torch channels-last'));
    const torchMemory = Math.min(best.get('torch plain')!.memory, best.get('torch channels-last')!.memory);
    const ratio = (rate('ours') / torch).toFixed(2);
    console.log(
      `${''.padEnd(10)} ours / torch's best: speed ${ratio}, memory ${(best.get('ours')!.memory / torchMemory).toFixed(2)}`,
    );
  }
}

if (words[0] === 'worker') {
  const [side, images, cores, time] = words.slice(2).map(Number) as [number, number, number, number];
  await measure({ job: words[1]!, side, batch: images, threads: cores, seconds: time });
  process.exit(0); // ONNX Runtime's threads would keep the process.
}
main();
