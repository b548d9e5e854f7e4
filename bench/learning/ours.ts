// Our side: a network on random images, as many steps as fit the time. Prints one line of JSON.
import {
  type Arch,
  createPredictor,
  createTrainer,
  exportOnnx,
  initialise,
  type ModelSpec,
} from '../../tasks/learning/training/trainer.ts';

export interface Job {
  readonly arch: Arch;
  readonly job: 'train' | 'infer';
  readonly side: number;
  readonly batch: number;
  readonly threads: number;
  readonly seconds: number;
}

export async function measure({ arch, job, side, batch, threads, seconds }: Job): Promise<void> {
  const model: ModelSpec = { name: 'bench', arch, input: side };
  const from = performance.now();
  const step = await (job === 'train' ? trainingStep : inferenceStep)(model, batch, threads);
  await step();
  const create = performance.now() - from;
  await step();
  const before = process.cpuUsage();
  const times = await timed(step, seconds);
  const { user, system } = process.cpuUsage(before);
  const cpu = (user + system) / 1000 / times.length;
  const memory = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ median: times[times.length >> 1]!, cpu, steps: times.length, create, memory }));
}

type Step = () => Promise<unknown>;
const images = (side: number, batch: number): Float32Array =>
  Float32Array.from({ length: batch * 3 * side * side }, () => Math.random());

async function trainingStep(model: ModelSpec, batch: number, threads: number): Promise<Step> {
  const classWeights = [2, 1, 1, 1, 1, 1];
  const trainer = await createTrainer({ model, batch, threads, seed: 1, weightDecay: 0.01, classWeights });
  const x = images(model.input, batch);
  const y = Float32Array.from({ length: batch * 6 }, () => Number(Math.random() < 0.2));
  return () => trainer.step(x, y, { lr: 1e-3 });
}

async function inferenceStep(model: ModelSpec, batch: number, threads: number): Promise<Step> {
  const predictor = await createPredictor(exportOnnx(model, initialise(model, 1), {}), { threads });
  const x = images(model.input, batch);
  return () => predictor.predict(x, batch);
}

async function timed(step: Step, seconds: number): Promise<number[]> {
  const times: number[] = [];
  for (const start = performance.now(); performance.now() - start < seconds * 1000 || times.length < 3; ) {
    const from = performance.now();
    await step();
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b);
}
