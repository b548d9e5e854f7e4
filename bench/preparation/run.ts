// Image preparation, metadata to both kinds of PNG, beside the Python peer (peer.py) in one run on one generated set; then where
// the time goes, and the disk's part in it. CPU seconds stand beside wall seconds: they hold on a busy machine too.
// Arguments: --slices N (400), --size N (512), --cores N (all), --headers N (50000: files of the table by metadata alone).
// Instead of all that: --memory 1000,20000 (files of a `dag run`), or --rows N (of the metadata table). Needs Debian's
// python3-pydicom, -scipy, -pandas, -pil.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PNG_KINDS } from '../../tasks/imaging/render.ts';
import { drawStudy } from '../../tasks/phantom/study.ts';
import { loadTask, projectRoot, runTask } from '../../test/rigs/task.ts';
import { makeFiles } from './files.ts';
import { measureMemory } from './memory.ts';
import { measureRows } from './rows.ts';
import { measureStages } from './stages.ts';

const { values } = parseArgs({
  options: {
    slices: { type: 'string' },
    size: { type: 'string' },
    cores: { type: 'string' },
    headers: { type: 'string' },
    memory: { type: 'string' },
    rows: { type: 'string' },
  },
});
const slices = Number(values.slices ?? 400);
const size = Number(values.size ?? 512);
const headers = Number(values.headers ?? 50_000);
const cores = Number(values.cores ?? availableParallelism());

const work = join(projectRoot, 'bench/.work/preparation');
const out = join(work, 'out');

interface Seconds {
  readonly wall: number;
  /** User and system time of all threads. */
  readonly cpu: number;
}
type Steps = Record<string, Seconds>;

async function main(): Promise<void> {
  mkdirSync(work, { recursive: true });
  if (values.rows) return console.log((await measureRows(Number(values.rows), join(work, 'rows.parquet'))).join('\n'));
  if (values.memory) return reportMemory(values.memory.split(',').map(Number));
  rmSync(out, { recursive: true, force: true });
  const images = drawSet(slices, size);
  const small = join(work, `headers-${headers}`);
  makeFiles(small, headers, 32);
  for (const name of ['metadata', 'triplets', 'png']) await loadTask(task(name)); // Bundling is no part of the work.
  const [ours, peer] = [await runOurs(images), runPeer(images)];
  const [table, peerTable] = [await runMetadata(small), runPeer(small, '--metadata').metadata!];
  console.log(`\n${slices} slices of ${size} x ${size}; dag on ${cores} cores, the Python peer in one process\n`);
  console.log('step                 | dag, s | peer, s | ratio | dag, CPU s | peer, CPU s | ratio per core');
  report('metadata', ours.metadata!, peer.metadata!);
  report('triplets', ours.triplets!, peer.triplets!);
  report('both kinds of PNG', ours.png!, total(Object.fromEntries(PNG_KINDS.map((kind) => [kind, peer[kind]!]))));
  const [mine, theirs] = [total(ours), total(peer)];
  report('all', mine, theirs);
  report(`${headers} headers`, table, peerTable);
  console.log(`\n${(slices / mine.wall).toFixed(1)} images/s; the peer ${(slices / theirs.wall).toFixed(1)}`);
  await reportStages(images, slices / mine.wall);
}

/** CPU seconds by stage, and what the disk would have to do at the rate of this run. */
async function reportStages(images: string, imagesPerSecond: number): Promise<void> {
  const { stages, images: count } = await measureStages(images, join(out, 'stages'));
  const whole = stages.slice(1).reduce((sum, stage) => sum + stage.cpuSeconds, 0); // The first is within the second.
  console.log('\nstage                          | CPU ms an image | share');
  for (const { name, cpuSeconds } of stages) {
    const share = `${((100 * cpuSeconds) / whole).toFixed(0)}%`.padStart(4);
    console.log([name.padEnd(30), ((1000 * cpuSeconds) / count).toFixed(2).padStart(15), share].join(' | '));
  }
  const megabytes = (name: string) => stages.find((stage) => stage.name === name)!.bytes / count / 2 ** 20;
  const [read, written] = [megabytes('read the file'), megabytes('write the PNG')];
  const disk = writeRate(join(out, 'disk'));
  console.log(
    `\nat ${imagesPerSecond.toFixed(0)} images/s ${(read * imagesPerSecond).toFixed(0)} MiB/s are read and ` +
      `${(written * imagesPerSecond).toFixed(0)} MiB/s written; this disk writes ${disk.toFixed(0)} MiB/s with a sync at the end`,
  );
}

/** MiB a second of one large file, synced. */
function writeRate(path: string): number {
  const chunk = Buffer.alloc(2 ** 24, 7);
  const chunks = 16;
  const file = openSync(path, 'w');
  const start = performance.now();
  for (let k = 0; k < chunks; k++) writeSync(file, chunk);
  fsyncSync(file);
  closeSync(file);
  return (chunks * 16) / ((performance.now() - start) / 1000);
}

async function reportMemory(counts: readonly number[]): Promise<void> {
  for (const count of counts) {
    const { files, peakBytes, wallSeconds } = await measureMemory(count, work);
    const peak = `${(peakBytes / 2 ** 20).toFixed(0)} MiB`;
    console.log(`${files} files: ${peak} at most in all processes, ${wallSeconds.toFixed(1)} s`);
  }
}

/** Draws a set once, keeps it in bench/.work, which git ignores, and reads it, so that both sides find it in memory. */
function drawSet(count: number, side: number): string {
  const folder = join(work, `images-${count}-${side}`);
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length !== count) {
    console.log(`drawing ${count} slices of ${side} x ${side} …`);
    let drawn = 0;
    for (let patient = 0; drawn < count; patient++) {
      for (const { name, file } of drawStudy(1, patient, 0, side).slice(0, count - drawn)) {
        writeFileSync(join(folder, `${name}.dcm`), file);
        drawn++;
      }
    }
  }
  for (const name of readdirSync(folder)) readFileSync(join(folder, name));
  return folder;
}

async function timed(run: () => Promise<unknown>): Promise<Seconds> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await run();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

const [table, triplets, quarantine, card] = ['table.parquet', 'triplets.csv', 'quarantine.json', 'card.json'].map(
  (name) => join(out, name),
) as [string, string, string, string];

function runMetadata(images: string): Promise<Seconds> {
  return timed(() =>
    runTask(task('metadata'), { cores, params: { strict: true }, in: { images }, out: { table, quarantine, card } }),
  );
}

async function runOurs(images: string): Promise<Steps> {
  const steps: Steps = { metadata: await runMetadata(images) };
  steps.triplets = await timed(() => runTask(task('triplets'), { cores, in: { table }, out: { csv: triplets } }));
  const given = {
    params: { kinds: PNG_KINDS, strict: true },
    in: { images, table, triplets },
    out: { images: join(out, 'png') },
  };
  steps.png = await timed(() => runTask(task('png'), { cores, ...given }));
  return steps;
}

function task(name: string): string {
  return join(projectRoot, `tasks/${name}.ts`);
}

function runPeer(images: string, ...flags: string[]): Steps {
  const script = join(projectRoot, 'bench/preparation/peer.py');
  return JSON.parse(
    execFileSync('/usr/bin/python3', [script, images, join(out, 'peer'), ...flags]).toString(),
  ) as Steps;
}

function total(steps: Steps): Seconds {
  const sum = (pick: (seconds: Seconds) => number) => Object.values(steps).reduce((all, step) => all + pick(step), 0);
  return { wall: sum((step) => step.wall), cpu: sum((step) => step.cpu) };
}

function report(step: string, ours: Seconds, peer: Seconds): void {
  const times = (a: number, b: number) => [a.toFixed(2), b.toFixed(2), `${(b / a).toFixed(1)}x`];
  console.log([step.padEnd(20), ...times(ours.wall, peer.wall), ...times(ours.cpu, peer.cpu)].join(' | '));
}

await main();
