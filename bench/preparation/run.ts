// Image preparation, metadata to both kinds of PNG, beside the Python peer (peer.py) in one run on one generated set.
// CPU seconds stand beside wall seconds: they hold on a busy machine too. Arguments: --slices N (400), --size N (512), --cores N (all). Needs Debian's python3-pydicom, -scipy, -pandas, -pil.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PNG_KINDS } from '../../tasks/imaging/render.ts';
import { drawStudy } from '../../tasks/phantom/study.ts';
import { loadTask, projectRoot, runTask } from '../../test/rigs/task.ts';

const { values } = parseArgs({
  options: { slices: { type: 'string' }, size: { type: 'string' }, cores: { type: 'string' } },
});
const slices = Number(values.slices ?? 400);
const size = Number(values.size ?? 512);
const cores = Number(values.cores ?? availableParallelism());

const work = join(projectRoot, 'bench/.work/preparation');
const images = join(work, `images-${slices}-${size}`);
const out = join(work, 'out');

interface Seconds {
  readonly wall: number;
  /** User and system time of all threads. */
  readonly cpu: number;
}
type Steps = Record<string, Seconds>;

async function main(): Promise<void> {
  drawSet();
  rmSync(out, { recursive: true, force: true });
  for (const name of readdirSync(images)) readFileSync(join(images, name)); // Both sides find the files in memory.
  for (const name of ['metadata', 'triplets', 'png']) await loadTask(task(name)); // Bundling is no part of the work.
  const ours = await runOurs();
  const peer = runPeer();
  console.log(`\n${slices} slices of ${size} x ${size}; dag on ${cores} cores, the Python peer in one process\n`);
  console.log('step                 | dag, s | peer, s | ratio | dag, CPU s | peer, CPU s | ratio per core');
  for (const step of Object.keys(ours)) report(step, ours[step]!, peer[step]!);
  const [mine, theirs] = [total(ours), total(peer)];
  report('all', mine, theirs);
  console.log(`\n${(slices / mine.wall).toFixed(1)} images/s; the peer ${(slices / theirs.wall).toFixed(1)}`);
}

/** Draws the set once and keeps it in bench/.work, which git ignores. */
function drawSet(): void {
  mkdirSync(images, { recursive: true });
  if (readdirSync(images).length === slices) return;
  console.log(`drawing ${slices} slices …`);
  let drawn = 0;
  for (let patient = 0; drawn < slices; patient++) {
    for (const { name, file } of drawStudy(1, patient, 0, size).slice(0, slices - drawn)) {
      writeFileSync(join(images, `${name}.dcm`), file);
      drawn++;
    }
  }
}

async function runOurs(): Promise<Steps> {
  const [table, triplets] = [join(out, 'table.parquet'), join(out, 'triplets.csv')];
  const steps: Steps = {};
  const timed = async (step: string, run: () => Promise<unknown>) => {
    const [start, before] = [performance.now(), process.cpuUsage()];
    await run();
    const { user, system } = process.cpuUsage(before);
    steps[step] = { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
  };
  const options = { cores };
  const quarantine = join(out, 'quarantine.json');
  await timed('metadata', () =>
    runTask(task('metadata'), { ...options, params: { strict: true }, in: { images }, out: { table, quarantine } }),
  );
  await timed('triplets', () => runTask(task('triplets'), { ...options, in: { table }, out: { csv: triplets } }));
  for (const kind of PNG_KINDS) {
    const given = { params: { kind, strict: true }, in: { images, table, triplets }, out: { images: join(out, kind) } };
    await timed(kind, () => runTask(task('png'), { ...options, ...given }));
  }
  return steps;
}

function task(name: string): string {
  return join(projectRoot, `tasks/${name}.ts`);
}

function runPeer(): Steps {
  const script = join(projectRoot, 'bench/preparation/peer.py');
  return JSON.parse(execFileSync('/usr/bin/python3', [script, images, join(out, 'peer')]).toString()) as Steps;
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
