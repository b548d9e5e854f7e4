// One training step as one ONNX graph: forward, loss, backward, running statistics and AdamW. Everything that changes from
// step to step goes in and comes out as a few flat vectors, because each output of a run has its price.

import { type Layout, layoutOf } from '../flat.ts';
import { differentiate } from '../graph/gradient.ts';
import type { Node } from '../graph/graph.ts';
import { weightedCrossEntropy } from '../loss.ts';
import { buildModel, type ModelSpec } from '../models/models.ts';
import type { Mask, Network } from '../models/network.ts';
import { constant } from '../ops/elementwise.ts';
import { input } from '../ops/shape.ts';
import { type AdamW, addAdamW, follow, HOST_NUMBERS } from './adamw.ts';
import { cpuInput } from './cpu.ts';
import { chooseLayout } from './cpuLayout.ts';
import { createEmitter, type Emitter } from './emitter.ts';
import { lowerFused } from './fused.ts';
import { createLowering } from './lower.ts';

/** Values of an image in one turn of a region: few enough for the caches, enough to share among threads. */
const CHUNK = 131_072;

export interface TrainingGraph {
  /** Inputs x, y, params, m, v, buffers, masks, host; outputs params_out, m_out, v_out, buffers_out, result. */
  readonly model: Uint8Array<ArrayBuffer>;
  readonly parameters: Layout;
  readonly buffers: Layout;
  readonly masks: readonly Mask[];
  readonly maskLayout: Layout;
  /** `result` is the loss, then the logits (N,classes). */
  readonly resultLength: number;
  readonly nodes: number;
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

export function buildTrainingGraph(
  spec: ModelSpec,
  batch: number,
  classWeights: readonly number[],
  adamW: AdamW,
  block: number,
  chunk = CHUNK,
): TrainingGraph {
  const step = buildStep(spec, batch, classWeights);
  const { net } = step;
  const e = createEmitter();
  const parameters = layoutOf(net.parameters);
  const buffers = layoutOf(net.buffers);
  const maskLayout = layoutOf(net.masks);
  const given = new Map<number, string>([
    [step.x.id, e.input('x', step.x.shape)],
    [step.y.id, e.input('y', step.y.shape)],
  ]);
  const state = (name: string, length: number): string => e.input(name, [length]);
  const params = state('params', parameters.length);
  const [m, v] = [state('m', parameters.length), state('v', parameters.length)];
  const running = state('buffers', buffers.length);
  const host = state('host', HOST_NUMBERS);
  splitInto(e, given, params, parameters, net.parameters);
  if (maskLayout.length > 0) splitInto(e, given, state('masks', maskLayout.length), maskLayout, net.masks);

  const statistics = net.buffers.map((declared) => net.statistics.get(declared.name)!);
  const wanted = [step.loss, step.logits, ...step.gradients, ...statistics];
  const l = createLowering(e);
  const layout = chooseLayout(batch, block, true);
  for (const node of net.graph.nodes) {
    const name = given.get(node.id);
    if (name !== undefined) given.set(node.id, cpuInput(l, node, name, layout));
  }
  const names = lowerFused(net.graph, wanted, l, given, layout, chunk);
  const [loss, logits] = names as [string, string];
  const gradients = names.slice(2, 2 + step.gradients.length);
  const resultLength = 1 + step.logits.shape[0]! * step.logits.shape[1]!;
  e.output('result', joined(e, [loss, logits]), [resultLength]);
  if (buffers.length > 0) {
    const batchStatistics = joined(e, names.slice(2 + gradients.length));
    e.output('buffers_out', follow(e, running, batchStatistics, net.batchNorm.momentum), [buffers.length]);
  }
  const next = addAdamW(e, { params, m, v, host, gradient: joined(e, gradients) }, adamW);
  e.output('params_out', next.params, [parameters.length]);
  e.output('m_out', next.m, [parameters.length]);
  e.output('v_out', next.v, [parameters.length]);
  return {
    model: e.encode(),
    parameters,
    buffers,
    masks: net.masks,
    maskLayout,
    resultLength,
    nodes: e.nodeCount(),
  };
}

/** A slice of the flat vector for each tensor, registered under its node. */
function splitInto(
  e: Emitter,
  given: Map<number, string>,
  vector: string,
  layout: Layout,
  declared: readonly { readonly node: Node }[],
): void {
  layout.slots.forEach(({ start, end, shape }, i) => {
    const part = e.emit('Slice', [vector, e.ints([start]), e.ints([end]), e.ints([0])]);
    const shaped = shape.length === 1 ? part : e.emit('Reshape', [part, e.ints(shape)]);
    given.set(declared[i]!.node.id, shaped);
  });
}

function joined(e: Emitter, tensors: readonly string[]): string {
  const flat = tensors.map((tensor) => e.emit('Reshape', [tensor, e.ints([-1])]));
  return flat.length === 1 ? flat[0]! : e.emit('Concat', flat, { axis: 0 });
}
