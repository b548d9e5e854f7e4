// Whether a device trains as the CPU does: one small step on both, the gradient of every parameter compared. A device that
// is wrong is usually wrong without a word.

import { pack } from '../models/flat.ts';
import { initialise } from '../models/models.ts';
import { hostNumbers } from '../onnx/adamw.ts';
import type { Predictor } from '../onnx/predictor.ts';
import { createRandom } from '../random.ts';
import type { StepPlan, Stepper, Vectors } from '../stepper.ts';

/** Of a tensor's largest gradient: devices may round differently (TF32 keeps ten bits), what is wrong is wrong by much more. */
const TOLERANCE = 0.02;
const SIDE = 64;
const BATCH = 4;

/** The same network on a few small images. */
export function smallPlan(plan: StepPlan): StepPlan {
  return { ...plan, model: { ...plan.model, input: Math.min(plan.model.input, SIDE) }, batch: BATCH, parts: 1 };
}

/** What differs by too much, or null; closes both. */
export async function disagreement(reference: Stepper, device: Stepper, plan: StepPlan): Promise<string | null> {
  try {
    const [expected, actual] = [await firstMoments(reference, plan), await firstMoments(device, plan)];
    return compare(expected, actual, reference);
  } finally {
    await reference.close();
    await device.close();
  }
}

/** By how much a device's logits of two random images differ, where that is too much. */
export async function predictsOtherwise(reference: Predictor, device: Predictor): Promise<string | null> {
  const random = createRandom(1);
  const x = Float32Array.from({ length: 2 * 3 * reference.inputSize ** 2 }, () => random.next());
  const [expected, actual] = [await reference.predict(x, 2), await device.predict(x, 2)];
  const share = difference(expected, actual) / Math.max(1, largest(expected));
  return share <= TOLERANCE ? null : `its logits differ from the CPU's by ${percent(share)}`;
}

interface Outcome {
  readonly loss: number;
  /** The gradient, since moments start at zero. */
  readonly m: Float32Array;
  readonly buffers: Float32Array;
}

async function firstMoments(stepper: Stepper, { model, batch, adamW }: StepPlan): Promise<Outcome> {
  const { parameters, buffers, maskLayout, resultLength } = stepper;
  const weights = initialise(model, 1);
  const vectors: Vectors = {
    params: new Float32Array(parameters.length),
    m: new Float32Array(parameters.length),
    v: new Float32Array(parameters.length),
    buffers: new Float32Array(buffers.length),
  };
  pack(parameters, weights, vectors.params);
  pack(buffers, weights, vectors.buffers);
  await stepper.write(vectors);
  const random = createRandom(1);
  const x = Float32Array.from({ length: batch * 3 * model.input ** 2 }, () => random.next());
  const y = Float32Array.from({ length: resultLength - 1 }, () => Number(random.next() < 0.5));
  const masks = new Float32Array(maskLayout.length).fill(1);
  const [loss] = await stepper.step({ x, y, masks, host: hostNumbers(adamW, 0, 1) });
  const after = await stepper.read();
  return { loss: loss!, m: after.m.slice(), buffers: after.buffers.slice() };
}

function compare(expected: Outcome, actual: Outcome, { parameters, buffers }: Stepper): string | null {
  if (!(Math.abs(actual.loss - expected.loss) <= 1e-3 * Math.abs(expected.loss))) {
    return `a step's loss is ${actual.loss}, on the CPU ${expected.loss}`;
  }
  const floor = 0.01 * largest(expected.m);
  for (const { name, start, end } of parameters.slots) {
    const [a, b] = [expected.m.subarray(start, end), actual.m.subarray(start, end)];
    const share = difference(a, b) / Math.max(largest(a), floor);
    if (!(share <= TOLERANCE)) return `the gradient of "${name}" differs from the CPU's by ${percent(share)}`;
  }
  for (const { name, start, end } of buffers.slots) {
    const [a, b] = [expected.buffers.subarray(start, end), actual.buffers.subarray(start, end)];
    const share = difference(a, b) / Math.max(largest(a), 1e-3);
    if (!(share <= TOLERANCE)) return `"${name}" differs from the CPU's by ${percent(share)}`;
  }
  return null;
}

const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The largest difference; NaN where either is. */
const difference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
