// A trained network as a standard ONNX file: batch norm folded into the convolutions, any batch size, input `x`
// (batch,3,S,S) float32, output `logits` (batch,classes).

import type { Graph, Node, Shape } from '../graph/graph.ts';
import { interpret } from '../graph/interpret.ts';
import { buildModel, type ModelSpec, type Tensors } from '../models/models.ts';
import { createEmitter } from './emitter.ts';
import type { Dimension } from './encode.ts';
import { createLowering, lower, type Rules } from './lower.ts';
import { standardRules } from './standard.ts';

/** The first axis of an image or of logits. */
const anyBatch = ([, ...rest]: Shape): Dimension[] => ['batch', ...rest];

const exportRules: Rules = {
  ...standardRules,

  /** The factors are made as large as the image: ONNX Runtime then stays in its blocked layout, and multiplies three times faster. */
  gate: (l, node, [x, g]) => {
    const [, , h, w] = node.shape as [number, number, number, number];
    if (h * w === 1) return l.emit('Mul', [x!, g!]);
    const nearest = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    const spread = l.emit('Resize', [g!, '', l.floats([1, 1, h, w], [4])], nearest);
    l.tell(spread, anyBatch(node.shape));
    return l.emit('Mul', [x!, spread]);
  },
};

/** `metadata` goes into the file, with `input_size` and `classes`. Throws where a weight is missing or misshapen. */
export function exportOnnx(
  spec: ModelSpec,
  weights: Tensors,
  metadata: Record<string, string>,
): Uint8Array<ArrayBuffer> {
  const { net, x, logits } = buildModel(spec, 'infer', 1);
  const e = createEmitter();
  const given = new Map([[x.id, e.input('x', anyBatch(x.shape))]]);
  const folded = foldConstants(net.graph, x, logits, feedsOf(weights, [...net.parameters, ...net.buffers]));
  for (const { node, value } of folded) given.set(node.id, e.floats(value, node.shape));
  const [name] = lower(net.graph, [logits], createLowering(e), given, exportRules);
  e.output('logits', name!, anyBatch(logits.shape));
  return e.encode({ ...metadata, input_size: String(spec.input), classes: String(logits.shape[1]) });
}

function feedsOf(weights: Tensors, declared: readonly { name: string; shape: readonly number[] }[]) {
  const feeds = new Map<string, Float32Array>();
  for (const { name, shape } of declared) {
    const tensor = weights.get(name);
    if (tensor === undefined) throw new Error(`export: there is no weight "${name}"`);
    if (tensor.shape.join() !== shape.join()) {
      throw new Error(`export: "${name}" has shape [${tensor.shape}], the network needs [${shape}]`);
    }
    feeds.set(name, tensor.data);
  }
  return feeds;
}

/** The largest parts of the graph that do not depend on the image, with their values (computed in float64). */
function foldConstants(
  graph: Graph,
  x: Node,
  logits: Node,
  feeds: ReadonlyMap<string, Float32Array>,
): { node: Node; value: Float32Array }[] {
  const varies = new Set([x.id]);
  for (const node of graph.nodes) if (node.inputs.some((input) => varies.has(input.id))) varies.add(node.id);
  if (!varies.has(logits.id)) throw new Error('export: the logits do not depend on the image');
  const frontier = new Set<Node>();
  for (const node of graph.nodes) {
    if (varies.has(node.id)) for (const input of node.inputs) if (!varies.has(input.id)) frontier.add(input);
  }
  const nodes = [...frontier];
  return interpret(graph, nodes, feeds).map((value, i) => ({ node: nodes[i]!, value: Float32Array.from(value) }));
}
