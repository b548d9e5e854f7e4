// Memory from a thousand files to twenty thousand: `dag run` of metadata, triplets and png on a folder of DICOM files, the resident
// memory of the engine and its processes added up a few times a second. Linux only: it reads /proc.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../test/rigs/task.ts';
import { makeFiles } from './files.ts';

const NODES = ['metadata[split=test]', 'triplets[split=test]', 'png[split=test]'];
const SIDE = 64;
const SAMPLE_MS = 200;

export interface Footprint {
  readonly files: number;
  readonly peakBytes: number;
  readonly wallSeconds: number;
}

export async function measureMemory(files: number, work: string): Promise<Footprint> {
  const root = join(work, `memory-${files}`);
  for (const name of ['.dag', 'out']) rmSync(join(root, name), { recursive: true, force: true });
  makeProject(root);
  makeFiles(join(root, 'images'), files, SIDE);
  const start = performance.now();
  const words = ['run', ...NODES, '--only', '--profile', 'infer', '--set', 'data=images', '--json'];
  const child = spawn(process.execPath, [join(projectRoot, 'engine/dist/dag.js'), ...words], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.resume();
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, residentBytes(root));
  }, SAMPLE_MS);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`dag run ended with ${code}`);
  return { files, peakBytes, wallSeconds: (performance.now() - start) / 1000 };
}

function makeProject(root: string): void {
  mkdirSync(join(root, 'engine'), { recursive: true });
  for (const item of ['tasks', 'engine/task.ts', 'pipeline.yml', 'package.json', 'package-lock.json']) {
    cpSync(join(projectRoot, item), join(root, item), { recursive: true });
  }
  if (!existsSync(join(root, 'node_modules')))
    symlinkSync(join(projectRoot, 'node_modules'), join(root, 'node_modules'));
}

/** Of all processes that work in this folder. */
function residentBytes(folder: string): number {
  let bytes = 0;
  for (const id of readdirSync('/proc')) {
    if (!/^\d+$/.test(id)) continue;
    try {
      if (readlinkSync(`/proc/${id}/cwd`) !== folder) continue;
      const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'latin1'))?.[1];
      bytes += Number(kilobytes ?? 0) * 1024;
    } catch {
      // It ended meanwhile, or is somebody else's.
    }
  }
  return bytes;
}
