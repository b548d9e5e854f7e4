// Finds the parts of a graph that treat every channel by itself (batch norm, activations, gating, depthwise convolution and
// all their gradients), between the matrix products that mix channels. Such a region can be computed a few channels at a
// time, all of its operations while the data is in the cache: most of a step's time is otherwise spent in passes over
// memory. Pure planning: `fused.ts` emits what is decided here.
import { type Node, sizeOf } from '../graph/graph.ts';
import { isCpuImage } from './cpu.ts';

export interface Region {
  readonly channels: number;
  /** In an order in which they can be computed. Some are copies of cheap nodes of other regions, see `withCheapInputs`. */
  readonly nodes: readonly Node[];
  /** What the rest of the graph needs of it. */
  readonly outputs: readonly Node[];
}

/** A region, or a node by itself. */
export type Unit = { readonly region: Region } | { readonly node: Node };

const ELEMENTWISE = ['add', 'sub', 'mul', 'affine', 'rsqrt', 'sigmoid', 'swish', 'swishGrad', 'relu', 'reluGrad'];
const CHANNELWISE = [
  'channelSum',
  'channelDot',
  'channelDeviation',
  'scaleShift',
  'channelScale',
  'channelBroadcast',
  'spatialSum',
  'spatialDot',
  'gate',
  'gateShift',
  'spatialBroadcast',
  'sampleScale',
];
const CONVOLUTIONS = ['conv', 'convInputGrad', 'convWeightGrad'];
/** Cheaper to compute again in the backward region than to keep and read. */
const CHEAP = ['add', 'sub', 'mul', 'affine', 'swish', 'relu', 'scaleShift', 'channelScale', 'gate', 'gateShift'];

/** The number of channels that a node treats one by one; 0: it does not. */
function channelsOf(node: Node): number {
  const { name } = node.op;
  if (CHANNELWISE.includes(name)) {
    const image = node.shape.length === 4 ? node : node.inputs[0]!;
    return image.shape[1]!;
  }
  if (CONVOLUTIONS.includes(name)) return depthwiseChannels(node);
  if (!ELEMENTWISE.includes(name)) return 0;
  if (node.shape.length === 1) return node.shape[0]!;
  return isCpuImage(node) ? node.shape[1]! : 0;
}

function depthwiseChannels(node: Node): number {
  const w = node.op.name === 'convWeightGrad' ? node.shape : node.inputs[1]!.shape;
  const { groups } = node.attributes as { groups: number };
  const hasBias = node.op.name === 'conv' && node.inputs.length === 3;
  return groups > 1 && w[1] === 1 && w[0] === groups && !hasBias ? groups : 0;
}

/**
 * Splits the nodes (in topological order) into units, in an order in which they can be computed. Two channel-wise nodes are
 * in one region when they touch, have the same channels, and no path between them leaves the region: that is assured by
 * levels, a node's level being one above what it needs from outside its own kind.
 */
export function planUnits(
  nodes: readonly Node[],
  outputs: readonly Node[],
  worthIt: (nodes: readonly Node[]) => boolean,
): Unit[] {
  const level = levels(nodes);
  const members = components(nodes, level);
  const known = new Set(nodes.map((node) => node.id));
  const users = usersOf(nodes);
  const wanted = new Set(outputs.map((node) => node.id));
  const regionOf = new Map<number, number>();
  members.forEach((group, i) => {
    if (worthIt(group)) for (const node of group) regionOf.set(node.id, i);
  });
  /** Kept anyway: given, wanted, or used by a node outside regions. */
  const kept = (node: Node): boolean =>
    !known.has(node.id) ||
    !regionOf.has(node.id) ||
    wanted.has(node.id) ||
    (users.get(node.id) ?? []).some((user) => !regionOf.has(user.id));

  const bodies = new Map<number, Node[]>();
  members.forEach((group, i) => {
    if (regionOf.get(group[0]!.id) === i) bodies.set(i, withCheapInputs(group, kept));
  });
  const needed = new Set<number>(wanted);
  for (const node of nodes) if (!regionOf.has(node.id)) for (const input of node.inputs) needed.add(input.id);
  for (const body of bodies.values()) {
    const inside = new Set(body.map((node) => node.id));
    for (const node of body) for (const input of node.inputs) if (!inside.has(input.id)) needed.add(input.id);
  }
  const units: { unit: Unit; level: number; id: number }[] = [];
  for (const node of nodes) {
    if (!regionOf.has(node.id)) units.push({ unit: { node }, level: level.get(node.id)!, id: node.id });
  }
  for (const [i, body] of bodies) {
    const own = members[i]!;
    const region = { channels: channelsOf(own[0]!), nodes: body, outputs: own.filter((node) => needed.has(node.id)) };
    if (region.outputs.length > 0) units.push({ unit: { region }, level: level.get(own[0]!.id)!, id: own[0]!.id });
  }
  return units.sort((a, b) => a.level - b.level || a.id - b.id).map(({ unit }) => unit);
}

const together = (a: Node, b: Node): boolean => channelsOf(a) > 0 && channelsOf(a) === channelsOf(b);

function levels(nodes: readonly Node[]): Map<number, number> {
  const level = new Map<number, number>();
  for (const node of nodes) {
    let own = 0;
    for (const input of node.inputs) {
      const below = level.get(input.id);
      if (below !== undefined) own = Math.max(own, together(node, input) ? below : below + 1);
    }
    level.set(node.id, own);
  }
  return level;
}

/** Channel-wise nodes that touch, at the same level, with the same channels. */
function components(nodes: readonly Node[], level: ReadonlyMap<number, number>): Node[][] {
  const parent = new Map<number, number>();
  const find = (id: number): number => {
    let root = id;
    while (parent.get(root)! !== root) root = parent.get(root)!;
    parent.set(id, root);
    return root;
  };
  for (const node of nodes) {
    if (channelsOf(node) === 0) continue;
    parent.set(node.id, node.id);
    for (const input of node.inputs) {
      const joins = parent.has(input.id) && together(node, input) && level.get(input.id) === level.get(node.id);
      if (joins) parent.set(find(input.id), find(node.id));
    }
  }
  const groups = new Map<number, Node[]>();
  for (const node of nodes) {
    if (!parent.has(node.id)) continue;
    const root = find(node.id);
    groups.set(root, [...(groups.get(root) ?? []), node]);
  }
  return [...groups.values()];
}

function usersOf(nodes: readonly Node[]): Map<number, Node[]> {
  const users = new Map<number, Node[]>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      const list = users.get(input.id);
      if (list === undefined) users.set(input.id, [node]);
      else list.push(node);
    }
  }
  return users;
}

/**
 * The group with copies of the cheap images it needs from other regions, down to what is kept in memory anyway. The forward
 * pass then keeps only what matrix products and depthwise convolutions made.
 */
function withCheapInputs(group: readonly Node[], kept: (node: Node) => boolean): Node[] {
  const body = new Map(group.map((node) => [node.id, node]));
  const channels = channelsOf(group[0]!);
  const add = (node: Node): void => {
    if (body.has(node.id) || kept(node) || !CHEAP.includes(node.op.name)) return;
    if (channelsOf(node) !== channels || node.shape.length !== 4 || sizeOf(node.shape) === node.shape[0]! * channels)
      return;
    body.set(node.id, node);
    node.inputs.forEach(add);
  };
  for (const node of group) node.inputs.forEach(add);
  return [...body.values()].sort((a, b) => a.id - b.id);
}
