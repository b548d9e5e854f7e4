// Too little memory for a batch of a training: the batch that fits is found by trying.
import { InputError } from '../../../engine/task.ts';
import { isOutOfMemory } from '../device/outOfMemory.ts';
import { createTrainer, type TrainerOptions } from './trainer.ts';

/** What to tell the user: how many images do fit, found by halving and taking one step each time. */
export async function tooLarge(options: TrainerOptions, cause: unknown): Promise<InputError> {
  const { model, batch, parts = 1 } = options;
  const what = `model "${model.name}": ${batch} images of ${model.input} px at once do not fit into memory`;
  const fits = await largestThatFits(options);
  if (fits === null) return new InputError(`${what}, nor does one; lower input, or give the node more`, { cause });
  const whole = batch * parts;
  const advice = `set micro_batch: ${fits} for it (the batch stays ${whole}, in ${whole / fits} parts)`;
  return new InputError(`${what}, ${fits} do; ${advice}, or give the node more`, { cause });
}

async function largestThatFits(options: TrainerOptions): Promise<number | null> {
  const whole = options.batch * (options.parts ?? 1);
  for (let batch = smaller(options.batch, whole); batch > 0; batch = smaller(batch, whole)) {
    if (await fits({ ...options, batch, parts: whole / batch })) return batch;
  }
  return null;
}

/** The largest divisor of `whole` that is at most half of `batch`; 0: there is none. */
function smaller(batch: number, whole: number): number {
  let next = Math.floor(batch / 2);
  while (next > 0 && whole % next !== 0) next--;
  return next;
}

async function fits(options: TrainerOptions): Promise<boolean> {
  const { batch, model, classWeights } = options;
  try {
    const trainer = await createTrainer(options);
    try {
      const x = new Float32Array(batch * 3 * model.input ** 2);
      await trainer.step(x, new Float32Array(batch * classWeights.length), { lr: 0 });
      return true;
    } finally {
      await trainer.close();
    }
  } catch (error) {
    if (isOutOfMemory(error)) return false;
    throw error;
  }
}
