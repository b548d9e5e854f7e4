// The list of networks: from a model's entry in pipeline.yml to its graph, and to initial weights.
import type { Node } from '../graph/graph.ts';
import { input } from '../ops/shape.ts';
import { createRandom, type Random } from '../random.ts';
import { denseNet, denseNet169 } from './densenet.ts';
import { efficientNet, efficientNetScaling } from './efficientnet.ts';
import { type BatchNorm, createNetwork, type Declared, type Mode, type Network } from './network.ts';
import { legacyForm, presentForm, type SeResNeXtForm, seResNeXt, seResNeXt101 } from './seresnext.ts';

export type Arch =
  | 'efficientnet_b0'
  | 'efficientnet_b3'
  | 'efficientnet_b5'
  | 'efficientnet'
  | 'densenet169'
  | 'se_resnext101_32x4d'
  | 'seresnext101_32x4d';

export interface ModelSpec {
  name: string;
  arch: Arch;
  /** Side of the square input, in pixels. */
  input: number;
  /** Multipliers of `efficientnet`: channels and blocks relative to B0. */
  width?: number;
  depth?: number;
  dropout?: number;
  /** Stochastic depth at the last block. */
  dropConnect?: number;
  /** Logits; 6. */
  classes?: number;
}

export interface TensorData {
  shape: number[];
  data: Float32Array;
}
/** Published names → float32 tensors. */
export type Tensors = Map<string, TensorData>;

export interface BuiltModel {
  readonly net: Network;
  readonly x: Node;
  readonly logits: Node;
}

/** Builds a network for a batch of `batch` images. Throws where the spec names a network that does not exist. */
export function buildModel(spec: ModelSpec, mode: Mode, batch: number): BuiltModel {
  const { batchNorm, build } = published(spec);
  const net = createNetwork(mode, batchNorm);
  const x = input(net.graph, 'x', 'data', [batch, 3, spec.input, spec.input]);
  return { net, x, logits: build(net, x) };
}

interface Published {
  readonly batchNorm: BatchNorm;
  build(net: Network, x: Node): Node;
}

const PYTORCH_NORM = { epsilon: 1e-5, momentum: 0.1 };

function published(spec: ModelSpec): Published {
  const { arch, classes = 6, dropout = 0 } = spec;
  const seResNeXtOf = (form: SeResNeXtForm): Published => ({
    batchNorm: { ...PYTORCH_NORM, centred: true },
    build: (net, x) => seResNeXt(net, x, { ...seResNeXt101, form, classes, dropout }),
  });
  if (arch === 'densenet169') {
    const options = { ...denseNet169, classes, dropout };
    return { batchNorm: { ...PYTORCH_NORM, centred: true }, build: (net, x) => denseNet(net, x, options) };
  }
  if (arch === 'se_resnext101_32x4d') return seResNeXtOf(legacyForm);
  if (arch === 'seresnext101_32x4d') return seResNeXtOf(presentForm);
  return efficientNetOf(spec);
}

function efficientNetOf(spec: ModelSpec): Published {
  const match = /^efficientnet(?:_b([0-7]))?$/.exec(spec.arch);
  if (match === null) throw new Error(`model "${spec.name}": the network "${spec.arch}" does not exist`);
  const index = Number(match[1] ?? 0);
  const scaling = efficientNetScaling[index]!;
  const free = match[1] === undefined;
  const options = {
    width: free ? (spec.width ?? 1) : scaling.width,
    depth: free ? (spec.depth ?? 1) : scaling.depth,
    dropout: spec.dropout ?? scaling.dropout,
    dropConnect: spec.dropConnect ?? 0.2,
    classes: spec.classes ?? 6,
  };
  const batchNorm = index >= 5 ? { epsilon: 1e-3, momentum: 0.01 } : PYTORCH_NORM;
  return { batchNorm, build: (net, x) => efficientNet(net, x, options) };
}

/** Initial parameters and running statistics, drawn in the order of declaration from the published distributions. */
export function initialise(spec: ModelSpec, seed: number): Tensors {
  const { net } = buildModel(spec, 'infer', 1);
  const random = createRandom(seed);
  return new Map([...net.parameters, ...net.buffers].map((declared) => [declared.name, draw(declared, random)]));
}

function draw({ shape, initial }: Declared, random: Random): TensorData {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (initial.kind === 'constant') data.fill(initial.value);
  if (initial.kind === 'uniform')
    for (let i = 0; i < data.length; i++) data[i] = (2 * random.next() - 1) * initial.bound;
  if (initial.kind === 'normal') for (let i = 0; i < data.length; i++) data[i] = random.normal() * initial.std;
  return { shape: [...shape], data };
}
