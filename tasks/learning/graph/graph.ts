// The graph: nodes with static shapes, in the order of their making (which is a topological order). It knows no device
// and no layout but the meaning of shapes (N, C, H, W); lowering to a device is somebody else's work.

export type Shape = readonly number[];
export type Attributes = Readonly<Record<string, unknown>>;

/** What an operation is: its shape, its value (naive, float64: the definition), and its gradient (none: backward only). */
export interface Op<A extends Attributes = Attributes> {
  readonly name: string;
  /** The output's shape. Throws with a clear message where the inputs do not fit. */
  shape(inputs: readonly Shape[], attributes: A): Shape;
  /** The value by definition. Each input is a flat row-major array of its node's shape. */
  evaluate(inputs: readonly Float64Array[], node: Node<A>): Float64Array;
  /** Given dL/d(output), dL/d(input) for each input; null where there is none. Absent: not differentiable. */
  gradient?(graph: Graph, node: Node<A>, dy: Node): readonly (Node | null)[];
}

export interface Node<A extends Attributes = Attributes> {
  readonly id: number;
  readonly op: Op<A>;
  readonly inputs: readonly Node[];
  readonly attributes: A;
  readonly shape: Shape;
}

export interface Graph {
  readonly nodes: Node[];
  /** Nodes by what they compute, so that the same expression is computed once. */
  readonly known: Map<string, Node>;
}

export function createGraph(): Graph {
  return { nodes: [], known: new Map() };
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** Adds a node, or returns the one that already computes the same. */
export function apply<A extends Attributes>(graph: Graph, op: Op<A>, inputs: readonly Node[], attributes: A): Node<A> {
  const key = `${op.name}(${inputs.map((input) => input.id).join()})${JSON.stringify(attributes)}`;
  const existing = graph.known.get(key);
  if (existing !== undefined) return existing as Node<A>;
  const shapes = inputs.map((input) => input.shape);
  const node: Node<A> = { id: graph.nodes.length, op, inputs, attributes, shape: op.shape(shapes, attributes) };
  graph.nodes.push(node as unknown as Node);
  graph.known.set(key, node as unknown as Node);
  return node;
}

/** The error of an operation whose inputs do not fit. */
export function shapeError(op: string, shapes: readonly Shape[], expected: string): Error {
  return new Error(`${op}: got shapes ${shapes.map((s) => `[${s}]`).join(', ')}, expected ${expected}`);
}

/** The nodes that the given ones need, in order. */
export function reachable(graph: Graph, from: readonly Node[]): Node[] {
  const needed = new Set<number>();
  const pending = [...from];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (needed.has(node.id)) continue;
    needed.add(node.id);
    pending.push(...node.inputs);
  }
  return graph.nodes.filter((node) => needed.has(node.id));
}
