// Which device trains: what was asked for, or the first that is there, works, and computes what the CPU computes.
// `auto` looks for a GPU only where the engine gave the node one: others may be using it, and probing costs seconds.
import { existsSync } from 'node:fs';
import { InputError } from '../../../engine/task.ts';
import { shownPath } from '../../tables/csv.ts';
import type { ModelSpec, Tensors } from '../models/models.ts';
import { exportOnnx } from '../onnx/export.ts';
import { createPredictor, type Predictor } from '../onnx/predictor.ts';
import { blockSize } from '../onnx/probe.ts';
import { createOnnxStepper, type OnnxOptions } from '../onnx/stepper.ts';
import type { StepPlan, Stepper } from '../stepper.ts';
import { loadTensorFlow } from '../tfjs/load.ts';
import { createTfjsPredictor, createTfjsStepper } from '../tfjs/stepper.ts';
import { disagreement, predictsOtherwise, smallPlan } from './selfCheck.ts';

export interface Device {
  /** What was chosen, and why not the others, in one line. */
  readonly line: string;
  readonly stepper: Stepper;
  /** A network in inference mode on the same device. */
  predictor(model: ModelSpec, weights: Tensors): Promise<Predictor>;
}

export interface DeviceOptions {
  /** auto, cpu, cuda, webgpu or tfjs. */
  readonly device: string;
  readonly threads: number;
  /** GPUs given to this node. */
  readonly gpus: readonly number[];
}

export type PredictionOptions = Omit<DeviceOptions, 'device'>;

/** How steps and predictions are made on a device that is there. */
interface Maker {
  readonly label: string;
  /** A device other than a GPU: of use where it is asked for by name. */
  readonly slow?: boolean;
  stepper(plan: StepPlan): Promise<Stepper>;
  predictor(model: ModelSpec, weights: Tensors): Promise<Predictor>;
}

type Found = Maker | { readonly problem: string };
type Options = Pick<DeviceOptions, 'threads'>;

const PROVIDERS = {
  cuda: [{ name: 'cuda' }, 'cpu'],
  // Its own preference, NHWC, gives wrong gradients without a word.
  webgpu: [{ name: 'webgpu', preferredLayout: 'NCHW' }, 'cpu'],
} as const satisfies Record<string, OnnxOptions['executionProviders']>;

const ACCELERATORS: Readonly<Record<string, (options: Options) => Promise<Found>>> = {
  cuda: async (options) => onnxFound('cuda', options),
  webgpu: async (options) => onnxFound('webgpu', options),
  tfjs: tfjsMaker,
};

/** InputError where the device asked for does not exist, cannot be used, or computes something else than the CPU. */
export async function openDevice(plan: StepPlan, options: DeviceOptions): Promise<Device> {
  const { device, gpus } = options;
  const cpu = await cpuMaker(options);
  if (device === 'cpu') return opened(cpu, plan, `${cpu.label}, as asked for`);
  if (device === 'auto' && gpus.length === 0) return opened(cpu, plan, `${cpu.label}; no GPU was given to this node`);
  if (device !== 'auto' && ACCELERATORS[device] === undefined) {
    throw new InputError(`device "${device}" does not exist: use auto, cpu, cuda, webgpu or tfjs`);
  }
  if (device !== 'auto') return openAskedFor(device, cpu, plan, options);
  let others = '';
  for (const name of Object.keys(ACCELERATORS)) {
    const found = await usable(await ACCELERATORS[name]!(options), cpu, plan, true);
    if (!('problem' in found)) return opened(found, plan, `${found.label}, a step agrees with the CPU${others}`);
    others += `; not ${name}: ${found.problem}`;
  }
  return opened(cpu, plan, `${cpu.label}${others}`);
}

async function openAskedFor(device: string, cpu: Maker, plan: StepPlan, options: Options): Promise<Device> {
  const found = await usable(await ACCELERATORS[device]!(options), cpu, plan, false);
  if ('problem' in found) throw new InputError(`device "${device}" cannot be used: ${found.problem}; use auto or cpu`);
  return opened(found, plan, `${found.label}, as asked for, and a step agrees with the CPU`);
}

/** A predictor, and its device in one line: a GPU that was given to this node and predicts as the CPU does, else the CPU. */
export async function openPredictor(
  onnx: Uint8Array | string,
  { threads, gpus }: PredictionOptions,
): Promise<{ predictor: Predictor; line: string }> {
  const cpu = await openOnCpu(onnx, threads);
  if (gpus.length === 0) return { predictor: cpu, line: 'cpu (onnxruntime); no GPU was given to this node' };
  let others = '';
  for (const name of ['cuda', 'webgpu'] as const) {
    try {
      const absent = absentFiles(name);
      if (absent !== null) throw new Error(absent);
      const executionProviders = PROVIDERS[name];
      const predictor = await createPredictor(onnx, { threads, executionProviders });
      const problem = await predictsOtherwise(cpu, predictor);
      if (problem === null) {
        await cpu.close();
        return { predictor, line: `${name} (onnxruntime), predictions agree with the CPU${others}` };
      }
      await predictor.close();
      others += `; not ${name}: ${problem}`;
    } catch (error) {
      others += `; not ${name}: ${shortened(error)}`;
    }
  }
  return { predictor: cpu, line: `cpu (onnxruntime)${others}` };
}

async function openOnCpu(onnx: Uint8Array | string, threads: number): Promise<Predictor> {
  try {
    return await createPredictor(onnx, { threads });
  } catch (error) {
    if (typeof onnx !== 'string') throw error;
    throw new InputError(`${shownPath(onnx)}: this network cannot be opened: ${shortened(error)}`, { cause: error });
  }
}

/** A predictor for each file. The log is told the device of the first; the others have the same. */
export async function openPredictors(
  files: readonly string[],
  options: PredictionOptions,
  log: (line: string) => void,
): Promise<Predictor[]> {
  const predictors: Predictor[] = [];
  try {
    for (const file of files) {
      const { predictor, line } = await openPredictor(file, options);
      if (predictors.length === 0) log(`device: ${line}`);
      predictors.push(predictor);
    }
  } catch (error) {
    for (const predictor of predictors) await predictor.close();
    throw error;
  }
  return predictors;
}

async function opened(maker: Maker, plan: StepPlan, line: string): Promise<Device> {
  return { line, stepper: await maker.stepper(plan), predictor: maker.predictor };
}

/** What was found, if it makes a small step as the CPU does. */
async function usable(found: Found, cpu: Maker, plan: StepPlan, automatic: boolean): Promise<Found> {
  if ('problem' in found) return found;
  if (automatic && found.slow) return { problem: 'it would run on the CPU, slower' };
  const small = smallPlan(plan);
  try {
    const problem = await disagreement(await cpu.stepper(small), await found.stepper(small), small);
    return problem === null ? found : { problem };
  } catch (error) {
    return { problem: shortened(error) };
  }
}

/** The first line, without ONNX Runtime's own file names before it. */
function shortened(error: unknown): string {
  const line = (error as Error).message.split('\n', 1)[0]!;
  return line.replace(/^\/onnxruntime_src\/.* was false\. /, '').replace(/[.\s]+$/, '');
}

async function cpuMaker({ threads }: Options): Promise<Maker> {
  const target = { rules: 'cpu', block: await blockSize() } as const;
  return {
    label: 'cpu (onnxruntime)',
    stepper: (plan) => createOnnxStepper(plan, { target, threads }),
    predictor: (model, weights) => createPredictor(exportOnnx(model, weights, {}), { threads }),
  };
}

/**
 * What ONNX Runtime would need and does not find, or null. Asked first, since a provider that is tried in vain writes of it on
 * stderr in red.
 */
function absentFiles(provider: keyof typeof PROVIDERS): string | null {
  if (provider !== 'cuda' || process.platform !== 'linux') return null;
  const folder = `../bin/napi-v6/linux/${process.arch}`;
  const file = new URL(`${folder}/libonnxruntime_providers_cuda.so`, import.meta.resolve('onnxruntime-node'));
  return existsSync(file) ? null : "CUDA's part of onnxruntime-node is not installed (README.md, Training)";
}

function onnxFound(name: keyof typeof PROVIDERS, { threads }: Options): Found {
  const problem = absentFiles(name);
  if (problem !== null) return { problem };
  const options = { threads, executionProviders: PROVIDERS[name] };
  return {
    label: `${name} (onnxruntime)`,
    stepper: (plan) => createOnnxStepper(plan, { target: { rules: 'standard' }, ...options }),
    predictor: (model, weights) => createPredictor(exportOnnx(model, weights, {}), options),
  };
}

async function tfjsMaker(): Promise<Found> {
  const loaded = await loadTensorFlow();
  if ('problem' in loaded) return loaded;
  const { tf, name, usesGpu } = loaded;
  return {
    label: `tfjs (${name}, ${usesGpu ? 'GPU' : 'CPU'})`,
    slow: !usesGpu,
    stepper: async (plan) => createTfjsStepper(tf, plan),
    predictor: async (model, weights) => createTfjsPredictor(tf, model, weights),
  };
}
