// A folder of small drawn images with labels, and the tasks' bundles run as the engine runs them: for tests of train and predict.
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import sharp from 'sharp';
import type { Task, TaskContext } from '../../engine/task.ts';
import { CLASSES } from '../../tasks/classes.ts';
import { createRandom, type Random } from '../../tasks/learning/random.ts';
import type { ModelSpec } from '../../tasks/learning/training/trainer.ts';
import { writeCsv } from '../../tasks/tables/csv.ts';

/** The smallest network that learns what `drawImages` draws, and the model of pipeline.yml that it is in. */
export const TINY_NETWORK: ModelSpec = { name: 'tiny', arch: 'efficientnet', width: 0.25, depth: 0.25, input: 32 };
export const TINY_MODEL = { ...TINY_NETWORK, images: 'adjacent_hu', cv_scheme: 'v1' };

/** A scratch folder inside the project, where a bundle finds its packages. */
export function makeScratch(): string {
  const parent = path.resolve(import.meta.dirname, '../../node_modules/.test-scratch');
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(path.join(parent, 'task-'));
}

export function removeScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

const BUNDLE = { bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'silent' } as const;

/** A task of tasks/, bundled into one file and imported from there. */
export async function bundleTask(scratch: string, name: string): Promise<Task<unknown>> {
  const outfile = path.join(scratch, `${name}.mjs`);
  const entryPoints = [path.resolve(import.meta.dirname, `../../tasks/${name}.ts`)];
  await build({ ...BUNDLE, entryPoints, outfile });
  const module = (await import(pathToFileURL(outfile).href)) as { default: Task<unknown> };
  bundles.set(module.default, outfile);
  return module.default;
}

const bundles = new WeakMap<Task<unknown>, string>();

/** A process of its own that runs a task and sends its progress; it is told the job by a message, and can be killed. */
export async function bundleDriver(scratch: string, name: string): Promise<string> {
  const outfile = path.join(scratch, `${name}_driver.mjs`);
  const contents = `
    import task from './tasks/${name}.ts';
    import { runTask } from './test/tasks/train_rig.ts';
    export { loadImages } from './tasks/${name}.ts';
    process.on('message', async (job) => {
      await runTask(task, { ...job, onProgress: (done) => process.send(done) });
      process.exit(0);
    });`;
  await build({ ...BUNDLE, stdin: { contents, resolveDir: path.resolve(import.meta.dirname, '../..') }, outfile });
  return outfile;
}

/** Runs a driver in a process with so much memory of its own. */
export function runLimited(
  driver: string,
  mebibytes: number,
  job: object,
): Promise<{ code: number | null; stderr: string }> {
  const limit = `--data=${mebibytes * 2 ** 20}`;
  const child = fork(driver, { execPath: 'prlimit', execArgv: [limit, process.execPath], silent: true });
  let stderr = '';
  child.stderr!.on('data', (text) => {
    stderr += text;
  });
  child.send(job);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
}

export interface Row {
  readonly image: string;
  readonly patient: string;
  readonly labels: readonly number[];
}

const SIDE = 40;

/** Draws `count` noisy heads; an image with the label `any` holds one bright spot, whose place tells the subtype. */
export async function drawImages(folder: string, prefix: string, count: number, seed: number): Promise<Row[]> {
  mkdirSync(folder, { recursive: true });
  const random = createRandom(seed);
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const subtype = random.next() < 0.5 ? 0 : 1 + Math.floor(random.next() * 5);
    const labels = CLASSES.map((_, c) => Number(subtype > 0 && (c === 0 || c === subtype)));
    const image = `${prefix}_${String(i).padStart(3, '0')}`;
    const raw = { width: SIDE, height: SIDE, channels: 3 } as const;
    await sharp(draw(random, subtype), { raw })
      .png()
      .toFile(path.join(folder, `${image}.png`));
    rows.push({ image, patient: `${prefix}_patient_${i >> 2}`, labels });
  }
  return rows;
}

function draw(random: Random, subtype: number): Uint8Array {
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  const angle = (2 * Math.PI * subtype) / 5;
  const [spotX, spotY] = [SIDE / 2 + 9 * Math.cos(angle), SIDE / 2 + 9 * Math.sin(angle)];
  for (let at = 0; at < SIDE * SIDE; at++) {
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    const head = Math.hypot(x - SIDE / 2, y - SIDE / 2) < 17;
    const spot = subtype > 0 && Math.hypot(x - spotX, y - spotY) < 5;
    const value = (head ? 35 : 0) + (spot ? 90 : 0) + 8 * random.normal();
    pixels.fill(Math.min(255, Math.max(0, value)), 3 * at, 3 * at + 3);
  }
  return pixels;
}

export function writeFold(file: string, rows: readonly Row[]): void {
  const header = ['Image', 'PatientID', 'StudyInstanceUID', ...CLASSES];
  writeCsv(
    file,
    header,
    rows.map(({ image, patient, labels }) => [image, patient, `study of ${patient}`, ...labels]),
  );
}

export interface Job {
  readonly params: unknown;
  readonly inputs: Record<string, readonly string[]>;
  /** The folder that outputs, named as they are, and scratch go to. */
  readonly folder: string;
  readonly cores?: number;
  readonly gpus?: readonly number[];
  readonly signal?: AbortSignal;
  readonly said?: string[];
  readonly onProgress?: (done: number, total: number) => void;
}

/** Runs a task in this process with the context that the engine would give it. */
export async function runTask(task: Task<unknown>, job: Job): Promise<void> {
  const {
    inputs,
    folder,
    cores = 1,
    gpus = [],
    signal = new AbortController().signal,
    said = [],
    onProgress = () => {},
  } = job;
  mkdirSync(path.join(folder, 'scratch'), { recursive: true });
  const params = task.params?.parse(job.params) ?? job.params;
  const context: TaskContext<unknown> = {
    node: 'test',
    params,
    env: {},
    input: (name) => inputs[name]![0]!,
    inputs: (name) => (inputs[name] ?? []).map((file, fold) => ({ path: file, axes: { fold: String(fold) } })),
    output: (name) => path.join(folder, name),
    scratch: path.join(folder, 'scratch'),
    // In a driver, this file is a part of its bundle.
    bundle: bundles.get(task) ?? fileURLToPath(import.meta.url),
    each: () => Promise.reject(new Error('this rig has no ctx.each')),
    cores,
    gpus,
    signal,
    log: (message) => void said.push(message),
    warn: (message) => void said.push(`warning: ${message}`),
    progress: onProgress,
    metric: () => {},
  };
  await task.run(context);
}
