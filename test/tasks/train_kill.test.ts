// Kill -9 at random moments of a training, each resumed to its end: the results are those of an uninterrupted run, byte for
// byte. DAG_KILLS=20 is the acceptance run; DAG_SEED gives other moments.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../tasks/learning/random.ts';
import { bundleDriver, drawImages, makeScratch, removeScratch, TINY_MODEL, writeFold } from './train_rig.ts';

const KILLS = Number(process.env.DAG_KILLS ?? 3);
const PARAMS = {
  model: TINY_MODEL,
  epochs: 16,
  patience: 16,
  batch: 8,
  lr: 0.002,
  weight_decay: 0.01,
  seed: 5,
  device: 'cpu',
  ema: 0.9,
};

let scratch: string;
let driver: string;
let expected: string;
let seconds: number;
const at = (...parts: string[]): string => path.join(scratch, ...parts);

beforeAll(async () => {
  scratch = makeScratch();
  driver = await bundleDriver(scratch, 'train');
  const rows = await drawImages(at('png'), 'ID', 60, 1);
  writeFold(at('train.csv'), rows.slice(0, 48));
  writeFold(at('valid.csv'), rows.slice(48));
  seconds = (await train('whole', null)).seconds;
  expected = digest('whole');
});
afterAll(() => removeScratch(scratch));

interface End {
  readonly how: 'killed' | 'finished';
  /** Since the first step. */
  readonly seconds: number;
}

/** Trains in a process of its own, which is killed so many seconds after its first step. */
function train(name: string, killAfter: number | null): Promise<End> {
  const child = fork(driver, { stdio: 'inherit' });
  const inputs = { images: [at('png')], train: [at('train.csv')], valid: [at('valid.csv')] };
  child.send({ params: PARAMS, inputs, folder: at(name) });
  let since = performance.now();
  let timer: NodeJS.Timeout | undefined;
  child.once('message', () => {
    since = performance.now();
    if (killAfter !== null) timer = setTimeout(() => child.kill('SIGKILL'), 1000 * killAfter);
  });
  return new Promise((resolve, reject) => {
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      const seconds = (performance.now() - since) / 1000;
      if (signal === 'SIGKILL') resolve({ how: 'killed', seconds });
      else if (code === 0) resolve({ how: 'finished', seconds });
      else reject(new Error(`the training ended with ${code ?? signal}`));
    });
  });
}

function digest(name: string): string {
  const hash = createHash('sha256');
  for (const output of ['weights', 'onnx', 'oof', 'history']) hash.update(readFileSync(at(name, output)));
  return hash.digest('hex');
}

test(
  `killed at ${KILLS} random moments and resumed, ${KILLS} of ${KILLS} trainings end with the same bytes`,
  async () => {
    const random = createRandom(Number(process.env.DAG_SEED ?? 1));
    const told: string[] = [];
    for (let run = 0; told.length < KILLS; run++) {
      const moment = random.next() * seconds;
      const { how } = await train(`run${run}`, moment);
      if (how === 'finished') continue; // Faster than the first one: no kill to speak of.
      const found = existsSync(at(`run${run}`, 'scratch/checkpoint.safetensors')) ? 'a checkpoint' : 'no checkpoint';
      told.push(`killed after ${moment.toFixed(2)} of ${seconds.toFixed(2)} s: ${found} to go on from`);
      await train(`run${run}`, null);
      expect(digest(`run${run}`), told.at(-1)).toBe(expected);
    }
    if (process.env.DAG_KILLS !== undefined) console.log(told.join('\n'));
  },
  60_000 * Math.max(2, KILLS),
);
