// Our side: EfficientNet-B0, random images, as many steps as fit the time. Prints one line of JSON.
import {
  createPredictor,
  createTrainer,
  exportOnnx,
  initialise,
  type ModelSpec,
} from '../../tasks/learning/trainer.ts';

export interface Job {
  readonly job: string;
  readonly side: number;
  readonly batch: number;
  readonly threads: number;
  readonly seconds: number;
}

export async function measure({ job, side, batch, threads, seconds }: Job): Promise<void> {
  const from = performance.now();
  const step = job === 'train' ? await trainingStep(side, batch, threads) : await inferenceStep(side, batch, threads);
  const create = performance.now() - from;
  const times = await timed(step, seconds);
  const median = times[times.length >> 1]!;
  const memory = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ median, best: times[0], steps: times.length, create, memory }));
}

type Step = () => Promise<unknown>;
const modelOf = (side: number): ModelSpec => ({ name: 'bench', arch: 'efficientnet_b0', input: side });
const images = (side: number, batch: number): Float32Array =>
  Float32Array.from({ length: batch * 3 * side * side }, () => Math.random());

async function trainingStep(side: number, batch: number, threads: number): Promise<Step> {
  const classWeights = [2, 1, 1, 1, 1, 1];
  const options = { model: modelOf(side), batch, threads, seed: 1, weightDecay: 0.01, classWeights };
  const trainer = await createTrainer(options);
  const x = images(side, batch);
  const y = Float32Array.from({ length: batch * 6 }, () => Number(Math.random() < 0.2));
  return () => trainer.step(x, y, { lr: 1e-3 });
}

async function inferenceStep(side: number, batch: number, threads: number): Promise<Step> {
  const model = modelOf(side);
  const predictor = await createPredictor(exportOnnx(model, initialise(model, 1), {}), { threads });
  const x = images(side, batch);
  return () => predictor.predict(x, batch);
}

async function timed(step: Step, seconds: number): Promise<number[]> {
  for (let i = 0; i < 3; i++) await step();
  const times: number[] = [];
  for (const start = performance.now(); performance.now() - start < seconds * 1000 || times.length < 3; ) {
    const from = performance.now();
    await step();
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b);
}
