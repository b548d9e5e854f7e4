// Lowers a training graph for the CPU with its channel-wise regions (regions.ts) as Scans over a few channels at a time.
import type { Graph, Node, Shape } from '../graph/graph.ts';
import { cpuRules, isCpuImage } from './cpu.ts';
import { type CpuLayout, sidesOf } from './cpuLayout.ts';
import { type Lowering, lowerNode, missing, type Rules } from './lower.ts';
import { planUnits, type Region } from './regions.ts';

/** As `lower`, for the CPU. `chunk` is the number of values of the largest image that a turn of a region works on. */
export function lowerFused(
  graph: Graph,
  outputs: readonly Node[],
  l: Lowering,
  given: ReadonlyMap<number, string>,
  layout: CpuLayout,
  chunk: number,
): string[] {
  const rules = cpuRules(layout);
  const names = new Map(given);
  // A gate or its gradient alone is worth a region too: the image it reads is computed again there, instead of kept.
  const worthIt = (nodes: readonly Node[]): boolean =>
    (images(nodes) > 2 || nodes.some(isGating)) && largest(nodes) > 2 * chunk;
  for (const unit of planUnits(missing(graph, outputs, given), outputs, worthIt)) {
    if ('region' in unit) emitRegion(l, unit.region, names, rules, layout, chunk);
    else names.set(unit.node.id, lowerNode(l, unit.node, names, rules));
  }
  return outputs.map((node) => names.get(node.id)!);
}

const isLarge = (node: Node): boolean => isCpuImage(node) && node.shape[2]! * node.shape[3]! > 1;
const isGating = (node: Node): boolean => ['gate', 'spatialDot'].includes(node.op.name) && isLarge(node.inputs[0]!);
const images = (nodes: readonly Node[]): number => nodes.filter(isLarge).length;
/** Values of the largest image that occurs. */
const largest = (nodes: readonly Node[]): number =>
  Math.max(
    0,
    ...nodes
      .flatMap((node) => [node, ...node.inputs])
      .filter(isCpuImage)
      .map(({ shape }) => shape.reduce((a, b) => a * b, 1)),
  );

/** As many channels a turn as fit the chunk, and divide all channels; in pairs, which threads share evenly, if possible. */
function channelsATurn({ channels, nodes }: Region, chunk: number): number {
  const perChannel = largest(nodes) / channels;
  const fits = (k: number): boolean => channels % k === 0 && k * perChannel <= chunk * 1.25;
  let best = 1;
  for (let k = 1; k <= channels; k++) if (fits(k) && (k % 2 === 0 || best % 2 === 1)) best = k;
  return best;
}

function emitRegion(
  l: Lowering,
  region: Region,
  names: Map<number, string>,
  rules: Rules,
  layout: CpuLayout,
  chunk: number,
): void {
  const { channels, nodes, outputs } = region;
  const k = channelsATurn(region, chunk);
  const turns = channels / k;
  const inside = new Set(nodes.map((node) => node.id));
  const cut: Node[] = [];
  for (const node of nodes) {
    node.inputs.forEach((input, i) => {
      const whole = node.op.name === 'sampleScale' && i === 1; // A mask of the samples serves all channels.
      if (!whole && !inside.has(input.id) && !cut.includes(input)) cut.push(input);
    });
  }
  const results = l.scan(turns, (cutOf) => {
    const local = new Map(names);
    for (const node of cut) {
      local.set(node.id, cutOf(names.get(node.id)!, [k, ...physical(node, layout).slice(1)]));
    }
    const views = new Map<number, Node>();
    for (const node of nodes) local.set(node.id, lowerNode(l, view(node, k, views), local, rules));
    return outputs.map((node) => local.get(node.id)!);
  });
  outputs.forEach((node, i) => {
    names.set(node.id, l.reshape(results[i]!, physical(node, layout)));
  });
}

/** The shape that a value has between rules. */
function physical(node: Node, layout: CpuLayout): Shape {
  if (!isCpuImage(node)) return node.shape;
  const { c, columns } = sidesOf(node.shape, layout);
  return [c, columns];
}

/** The node as the rules see it inside a turn: of k channels. Its inputs are views too, shapes only. */
function view(node: Node, k: number, views: Map<number, Node>): Node {
  const known = views.get(node.id);
  if (known !== undefined) return known;
  const narrow = (shape: Shape, image: boolean): Shape =>
    image ? [shape[0]!, k, ...shape.slice(2)] : [k, ...shape.slice(1)];
  const shapeOf = (of: Node, i: number): Shape =>
    node.op.name === 'sampleScale' && i === 1 ? of.shape : narrow(of.shape, isCpuImage(of));
  const attributes: Record<string, unknown> = { ...node.attributes };
  if ('groups' in attributes) attributes.groups = k;
  if ('shape' in attributes) attributes.shape = narrow(node.shape, isCpuImage(node));
  const seen = {
    ...node,
    attributes,
    shape: narrow(node.shape, isCpuImage(node)),
    inputs: node.inputs.map((input, i) => ({ ...input, shape: shapeOf(input, i) })),
  } as Node;
  views.set(node.id, seen);
  return seen;
}
