// What a picture of the pipeline shows, as plain data: a vertex for each task with a count, or for each node.
import type { Node, Pipeline } from '../model/node.ts';

export interface Vertex {
  readonly id: string;
  readonly task: string;
  /** `train`, and with more than one node `×4`. */
  readonly title: string;
  /** `model, fold` for a task, `model=a, fold=0` for a node; empty without a matrix. */
  readonly detail: string;
  readonly count: number;
  /** State to how many of the vertex's nodes have it, in the order of `STATES`; empty when no states were given. */
  readonly states: ReadonlyMap<string, number>;
}
export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly after: boolean;
  /** How many nodes of the producer one node of the consumer reads, at most. */
  readonly fan: number;
}
export interface View {
  readonly vertices: readonly Vertex[];
  readonly edges: readonly Edge[];
}

/** Worst first: a task is drawn in the colour of its worst node. */
export const STATES: readonly string[] = ['failed', 'running', 'stale', 'blocked', 'restored', 'fresh'];

export interface ViewOptions {
  readonly states?: ReadonlyMap<string, string>;
  /** One vertex a task (default), or one a node. */
  readonly tasks?: boolean;
}

export function viewOf(pipeline: Pipeline, options: ViewOptions = {}): View {
  const collapse = options.tasks ?? true;
  const groups = new Map<string, Node[]>();
  for (const node of pipeline.nodes) {
    const id = collapse ? node.task : node.name;
    const group = groups.get(id);
    if (group) group.push(node);
    else groups.set(id, [node]);
  }
  const vertices = [...groups].map(([id, nodes]) => vertex(id, nodes, collapse, options.states));
  return { vertices, edges: edges(pipeline, collapse) };
}

function vertex(id: string, nodes: readonly Node[], collapse: boolean, states: ViewOptions['states']): Vertex {
  const { task, axes } = nodes[0]!;
  const counts = new Map<string, number>();
  for (const node of nodes) {
    const state = states?.get(node.name);
    if (state !== undefined) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const detail = collapse
    ? Object.keys(axes).join(', ')
    : Object.entries(axes)
        .map(([axis, label]) => `${axis}=${label}`)
        .join(', ');
  const title = collapse && detail !== '' ? `${task} ×${nodes.length}` : task;
  return { id, task, title, detail, count: nodes.length, states: ordered(counts) };
}

function ordered(counts: ReadonlyMap<string, number>): Map<string, number> {
  const rank = (state: string) => {
    const found = STATES.indexOf(state);
    return found < 0 ? STATES.length : found;
  };
  return new Map([...counts].sort(([a], [b]) => rank(a) - rank(b)));
}

function edges(pipeline: Pipeline, collapse: boolean): Edge[] {
  const taskOf = new Map(pipeline.nodes.map((node) => [node.name, node.task]));
  const found = new Map<string, Edge>();
  for (const node of pipeline.nodes) {
    const read = new Set(node.inputs.flatMap((role) => role.sources.flatMap((source) => source.producer?.node ?? [])));
    const fan = new Map<string, { count: number; after: boolean }>();
    const count = (name: string, after: boolean) => {
      if (!taskOf.has(name)) return;
      const from = collapse ? taskOf.get(name)! : name;
      fan.set(from, { count: (fan.get(from)?.count ?? 0) + 1, after: after && (fan.get(from)?.after ?? true) });
    };
    for (const name of read) count(name, false);
    for (const name of node.after) if (!read.has(name)) count(name, true);
    const to = collapse ? node.task : node.name;
    for (const [from, { count: wide, after }] of fan) {
      const key = `${from}\0${to}`;
      const before = found.get(key);
      found.set(key, { from, to, after: after && (before?.after ?? true), fan: Math.max(wide, before?.fan ?? 0) });
    }
  }
  return [...found.values()];
}

/** `2 stale, 3 fresh`; the state alone for a vertex of one node. */
export function describeStates(vertex: Vertex): string {
  if (vertex.count === 1) return [...vertex.states.keys()].join('');
  return [...vertex.states].map(([state, count]) => `${count} ${state}`).join(', ');
}
