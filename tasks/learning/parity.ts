// How far a network's float32 logits are from those of another implementation with the same weights:
//   npm run parity -- --model NAME --weights W.safetensors --input X.safetensors --expected Y.safetensors
// X holds `x` (N,3,S,S), Y holds `y` (N,classes), inference mode. Exit 0 within 1e-3, 1 beyond, 2 for wrong input.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { InputError } from '../../engine/task.ts';
import { modelParams } from './training/params.ts';
import { type Arch, createPredictor, exportOnnx, type ModelSpec, type TensorData } from './training/trainer.ts';
import { readSafetensors } from './weights/safetensors.ts';
import { classesOf, formOf, wholeWeights } from './weights/weights.ts';

const TOLERANCE = 1e-3;
const BATCH = 8;
const USAGE =
  'usage: npm run parity -- --model NAME --weights W.safetensors --input X.safetensors --expected Y.safetensors';

interface Difference {
  readonly absolute: number;
  /** Of the largest expected value. */
  readonly relative: number;
}

async function main(): Promise<number> {
  const files = argumentsOf(process.argv.slice(2));
  const x = tensorOf(files.input, 'x', 4);
  const y = tensorOf(files.expected, 'y', 2);
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  if (channels !== 3 || height !== width || n === 0) {
    throw new InputError(`${files.input}: "x" has shape [${x.shape}], expected [N,3,S,S]`);
  }
  const { tensors } = readSafetensors(files.weights);
  const asked: ModelSpec = { name: files.model, arch: archOf(files.model), input: height };
  const spec = formOf(tensors, asked);
  if (spec.arch !== asked.arch) console.error(`the weights carry the names of ${spec.arch}: compared as that`);
  const classes = classesOf(tensors, spec) ?? 6;
  if (y.shape[0] !== n || y.shape[1] !== classes) {
    throw new InputError(`${files.expected}: "y" has shape [${y.shape}], expected [${n},${classes}]`);
  }
  const model = { ...spec, classes };
  const logits = await logitsOf(model, wholeWeights(tensors, model, files.weights), x);
  const { absolute, relative } = differenceOf(logits, y.data);
  const verdict = absolute <= TOLERANCE ? 'within' : 'beyond';
  console.log(`${spec.arch}, ${n} images of ${height} pixels, ${classes} classes`);
  console.log(`largest absolute difference ${absolute.toExponential(2)}, ${verdict} ${TOLERANCE}`);
  console.log(`largest relative difference ${relative.toExponential(2)}, of the largest expected logit`);
  return absolute <= TOLERANCE ? 0 : 1;
}

/** NaN, and with it failure, where either side is no number. */
function differenceOf(actual: Float32Array, expected: Float32Array): Difference {
  let [absolute, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(off)) return { absolute: Number.NaN, relative: Number.NaN };
    absolute = Math.max(absolute, off);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return { absolute, relative: absolute === 0 ? 0 : absolute / largest };
}

async function logitsOf(model: ModelSpec, weights: Parameters<typeof exportOnnx>[1], x: TensorData) {
  const predictor = await createPredictor(exportOnnx(model, weights, {}), { threads: 0 });
  const n = x.shape[0]!;
  const perImage = x.data.length / n;
  const logits = new Float32Array(n * model.classes!);
  for (let from = 0; from < n; from += BATCH) {
    const count = Math.min(BATCH, n - from);
    const part = x.data.subarray(from * perImage, (from + count) * perImage);
    logits.set(await predictor.predict(part, count), from * model.classes!);
  }
  await predictor.close();
  return logits;
}

function argumentsOf(words: string[]): Record<'model' | 'weights' | 'input' | 'expected', string> {
  const text = { type: 'string' } as const;
  try {
    const options = { model: text, weights: text, input: text, expected: text };
    const { model, weights, input, expected } = parseArgs({ args: words, options }).values;
    // npm runs scripts in the package's folder; paths are those of the folder that the user is in.
    const at = (file: string): string => path.resolve(process.env.INIT_CWD ?? '.', file);
    if (model && weights && input && expected) {
      return { model, weights: at(weights), input: at(input), expected: at(expected) };
    }
  } catch (error) {
    throw new InputError(`${(error as Error).message}\n${USAGE}`);
  }
  throw new InputError(USAGE);
}

function archOf(name: string): Arch {
  const known = modelParams.shape.arch.options.filter((arch) => arch !== 'efficientnet');
  const arch = known.find((each) => each === name || (name === 'legacy_seresnext101_32x4d' && each.startsWith('se_')));
  if (arch === undefined) throw new InputError(`the network "${name}" does not exist: use ${known.join(', ')}`);
  return arch;
}

function tensorOf(file: string, name: string, axes: number): TensorData {
  const tensor = readSafetensors(file).tensors.get(name);
  if (tensor?.shape.length === axes) return tensor;
  const found = tensor === undefined ? 'is missing' : `has shape [${tensor.shape}]`;
  throw new InputError(`${file}: "${name}" ${found}, expected ${axes} axes`);
}

try {
  process.exit(await main());
} catch (error) {
  const { code, message, path: file } = error as NodeJS.ErrnoException;
  if (!(error instanceof InputError) && code !== 'ENOENT' && code !== 'EISDIR') throw error;
  console.error(code === 'ENOENT' ? `${file} does not exist` : message);
  process.exit(2);
}
