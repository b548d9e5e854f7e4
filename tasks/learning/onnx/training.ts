// One training step as one ONNX graph: forward, loss, backward, running statistics and AdamW. Everything that changes from
// step to step goes in and comes out as a few flat vectors, because each output of a run has its price.

import type { Graph, Node } from '../graph/graph.ts';
import { type Layout, layoutOf, type Slot } from '../models/flat.ts';
import { buildModel, type ModelSpec } from '../models/models.ts';
import type { Mask, Network } from '../models/network.ts';
import { constant } from '../ops/elementwise.ts';
import { differentiate } from '../ops/gradient.ts';
import { weightedCrossEntropy } from '../ops/loss.ts';
import { input } from '../ops/shape.ts';
import type { AdamW } from '../stepper.ts';
import { addAdamW, addAdamWInTurns, follow, HOST_NUMBERS, TURN } from './adamw.ts';
import { cpuInput } from './cpu.ts';
import { chooseLayout } from './cpuLayout.ts';
import { createEmitter, type Emitter, type View } from './emitter.ts';
import { lowerFused } from './fused.ts';
import { createLowering, type Lowering, lower } from './lower.ts';
import { standardRules } from './standard.ts';

/** Values of an image in one turn of a region: few enough for the caches, enough to share among threads. */
const CHUNK = 524_288;

/** Whose operators and layout of images: ONNX Runtime's CPU provider with blocks of so many channels, or any provider. */
export type Target =
  | { readonly rules: 'cpu'; readonly block: number; readonly chunk?: number }
  | { readonly rules: 'standard' };

export interface TrainingGraph {
  /**
   * Inputs x, y, params, m, v, buffers, masks, host; outputs params_out, m_out, v_out, buffers_out, result. In parts: m, v and
   * host are absent, `gradient` comes in and `gradient_out` goes out, the sum so far of this part's share.
   */
  readonly model: Uint8Array<ArrayBuffer>;
  /** In parts, the rest of the step: params, m, v, gradient, host → params_out, m_out, v_out. */
  readonly update: Uint8Array<ArrayBuffer> | null;
  readonly parameters: Layout;
  /** Length of params, m, v and gradient: that of `parameters`, and zeros that nobody reads. */
  readonly vectorLength: number;
  /** That of params_out, m_out and v_out. */
  readonly vectorShape: readonly number[];
  readonly buffers: Layout;
  readonly masks: readonly Mask[];
  readonly maskLayout: Layout;
  /** `result` is the loss, then the logits (N,classes). */
  readonly resultLength: number;
  /** Inputs of `model` and `update` that are parts of others, or others in another shape. */
  readonly views: readonly View[];
}

export interface StepGraph {
  readonly net: Network;
  readonly loss: Node;
  readonly logits: Node;
  readonly y: Node;
  readonly x: Node;
  /** dL/d(parameter), in the order of `net.parameters`. */
  readonly gradients: readonly Node[];
}

/** The device-neutral part: a network in training mode with its loss and the gradient of every parameter. */
export function buildStep(spec: ModelSpec, batch: number, classWeights: readonly number[]): StepGraph {
  const { net, x, logits } = buildModel(spec, 'train', batch);
  const y = input(net.graph, 'y', 'data', logits.shape);
  const loss = weightedCrossEntropy(net.graph, logits, y, classWeights);
  const parameters = net.parameters.map((parameter) => parameter.node);
  const gradients = differentiate(net.graph, loss, constant(net.graph, loss.shape, [1]), parameters);
  return { net, loss, logits, x, y, gradients };
}

/**
 * A step on `batch` images at once, or, with more than one part, on `parts` times as many, `batch` at a time: the gradient is
 * the mean over the parts, as that of the large batch, but each part is normalised by statistics of its own.
 */
export function buildTrainingGraph(
  spec: ModelSpec,
  batch: number,
  classWeights: readonly number[],
  adamW: AdamW,
  target: Target,
  parts = 1,
): TrainingGraph {
  const step = buildStep(spec, batch, classWeights);
  const { net } = step;
  const e = emitterFor(target);
  const parameters = layoutOf(net.parameters);
  const vectorLength = paddedFor(target, parameters.length);
  const buffers = layoutOf(net.buffers);
  const maskLayout = layoutOf(net.masks);
  const given = new Map<number, string>([
    [step.x.id, e.input('x', step.x.shape)],
    [step.y.id, e.input('y', step.y.shape)],
  ]);
  e.about('vectors');
  const params = e.input('params', [vectorLength]);
  const running = e.input('buffers', [buffers.length]);
  /** Registers a part of a flat vector for each tensor declared, under its node. */
  const give = (layout: Layout, declared: readonly { readonly node: Node }[], part: (slot: Slot) => string): void => {
    layout.slots.forEach((slot, i) => {
      given.set(declared[i]!.node.id, part(slot));
    });
  };
  // An input of its own is no copy, where inputs are in the memory of the host.
  const parameter = ({ name, start, shape }: Slot): string => e.view(name, params, start, shape);
  give(parameters, net.parameters, target.rules === 'cpu' ? parameter : (slot) => sliced(e, params, slot));
  if (maskLayout.length > 0) {
    const masks = e.input('masks', [maskLayout.length]);
    give(maskLayout, net.masks, (slot) => sliced(e, masks, slot));
  }

  const statistics = net.buffers.map((declared) => net.statistics.get(declared.name)!);
  const wanted = [step.loss, step.logits, ...step.gradients, ...statistics];
  const names = lowerFor(target, net.graph, wanted, createLowering(e), given, batch);
  const [loss, logits] = names as [string, string];
  const gradients = names.slice(2, 2 + step.gradients.length);
  e.about('vectors');
  const resultLength = 1 + step.logits.shape[0]! * step.logits.shape[1]!;
  e.output('result', joined(e, [loss, logits]), [resultLength]);
  if (buffers.length > 0) {
    const batchStatistics = joined(e, names.slice(2 + gradients.length));
    e.output('buffers_out', follow(e, running, batchStatistics, net.batchNorm.momentum), [buffers.length]);
  }
  const gradient = joined(e, gradients, vectorLength - parameters.length);
  if (parts === 1) addUpdate(e, params, gradient, vectorLength, adamW, target);
  else {
    const share = e.emit('Mul', [gradient, e.floats([1 / parts], [])]);
    const sum = e.emit('Add', [e.input('gradient', [vectorLength]), share]);
    e.output('gradient_out', sum, [vectorLength]);
  }
  const update = parts === 1 ? null : buildUpdate(vectorLength, adamW, target);
  return {
    model: e.encode(),
    update: update?.encode() ?? null,
    parameters,
    vectorLength,
    vectorShape: vectorShapeFor(target, vectorLength),
    buffers,
    masks: net.masks,
    maskLayout,
    resultLength,
    views: [...e.views(), ...(update?.views() ?? [])],
  };
}

function lowerFor(
  target: Target,
  graph: Graph,
  wanted: readonly Node[],
  l: Lowering,
  given: Map<number, string>,
  batch: number,
): string[] {
  if (target.rules === 'standard') return lower(graph, wanted, l, given, standardRules);
  const layout = chooseLayout(batch, target.block, servesLanes(graph));
  for (const node of graph.nodes) {
    const name = given.get(node.id);
    if (name !== undefined) given.set(node.id, cpuInput(l, node, name, layout));
  }
  return lowerFused(graph, wanted, l, given, layout, target.chunk ?? CHUNK);
}

/** Pooling needs whole planes, and the networks that pool have no depthwise convolutions, which lanes are for. */
function servesLanes(graph: Graph): boolean {
  return !graph.nodes.some(({ op }) => op.name === 'maxPool' || op.name === 'averagePool');
}

const emitterFor = (target: Target): Emitter => createEmitter({ inputViews: target.rules === 'cpu' });

/** Whether AdamW goes over its vectors a cacheful at a time; on a GPU that would be a launch for each. */
const inTurns = (target: Target): boolean => target.rules === 'cpu';

/** Up to whole turns of AdamW. */
const paddedFor = (target: Target, length: number): number =>
  inTurns(target) ? Math.ceil(length / TURN) * TURN : length;

const vectorShapeFor = (target: Target, length: number): number[] =>
  inTurns(target) ? [length / TURN, TURN] : [length];

/** AdamW's part of a step: moments come in, and all that it changes goes out. */
function addUpdate(e: Emitter, params: string, gradient: string, length: number, adamW: AdamW, target: Target): void {
  e.about('adamW');
  const [m, v] = [e.input('m', [length]), e.input('v', [length])];
  const inputs = { params, m, v, host: e.input('host', [HOST_NUMBERS]), gradient };
  const next = inTurns(target) ? addAdamWInTurns(e, inputs, adamW, length / TURN) : addAdamW(e, inputs, adamW);
  for (const name of ['params', 'm', 'v'] as const) e.output(`${name}_out`, next[name], vectorShapeFor(target, length));
}

function buildUpdate(length: number, adamW: AdamW, target: Target): Emitter {
  const e = emitterFor(target);
  addUpdate(e, e.input('params', [length]), e.input('gradient', [length]), length, adamW, target);
  return e;
}

function sliced(e: Emitter, vector: string, { start, end, shape }: Slot): string {
  const part = e.emit('Slice', [vector, e.ints([start]), e.ints([end]), e.ints([0])]);
  return shape.length === 1 ? part : e.reshape(part, shape);
}

/** The tensors one after the other, and so many zeros. */
function joined(e: Emitter, tensors: readonly string[], zeros = 0): string {
  const flat = tensors.map((tensor) => e.reshape(tensor, [-1]));
  if (zeros > 0) flat.push(e.floats(new Float32Array(zeros), [zeros]));
  return flat.length === 1 ? flat[0]! : e.emit('Concat', flat, { axis: 0 });
}
