// An ONNX graph under construction: nodes, constants, inputs and outputs. It makes no reshape twice and none that copies where
// it can be had without, and leaves out what nobody uses.
import {
  type Attribute,
  type Dimension,
  encodeModel,
  encodeNodes,
  FLOAT,
  INT64,
  type NodeRecord,
  tensorMessage,
  valueMessage,
} from './encode.ts';
import { addMessage, addText, type Message } from './protobuf.ts';

export interface Emitter {
  /** What the nodes to come are for: their names begin with it, and the runtime's profile prints names. */
  about(purpose: string): void;
  /** Adds a node with one output and returns the output's name. Integers are INT attributes; floats need `{float}`. */
  emit(op: string, inputs: readonly string[], attributes?: Record<string, Attribute>, domain?: string): string;
  /** The same with several outputs. */
  emitMany(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes?: Record<string, Attribute>,
    domain?: string,
  ): string[];
  reshape(x: string, shape: readonly number[]): string;
  /**
   * A Scan of so many turns: `build` adds the nodes of the body, which may use any name of the graph around, and names its
   * outputs; `cut` gives it this turn's part of a tensor, in its shape. Returns the stacked outputs, [turns, …].
   */
  scan(turns: number, build: (cut: (x: string, part: readonly number[]) => string) => string[]): string[];
  /** A constant of 64-bit integers (axes, shapes, pads), one dimension. */
  ints(values: readonly number[]): string;
  /** A float constant; a scalar where `shape` is empty. */
  floats(values: ArrayLike<number>, shape: readonly number[]): string;
  /** Tells the shape of what a node made, where the runtime cannot work it out. */
  tell(name: string, shape: readonly Dimension[]): void;
  input(name: string, shape: readonly Dimension[]): string;
  /** An input that holds the values of the input `of` from `start` on. */
  view(name: string, of: string, start: number, shape: readonly number[]): string;
  output(name: string, source: string, shape: readonly Dimension[]): void;
  /** Inputs that are parts of others or others in another shape: to be fed with their values. */
  readonly views: () => readonly View[];
  encode(metadata?: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer>;
}

/** `of` is an input, or a view that comes before this one; its values from `start` on, as many as the shape takes. */
export interface View {
  readonly name: string;
  readonly of: string;
  readonly start: number;
  readonly shape: readonly number[];
}

/** What is being built: the graph, or the body of a Scan. */
interface Scope {
  readonly nodes: NodeRecord[];
  /** A reshape → what it reshapes, which is none; and `${source}:${shape}` → the reshape. Those of the graph around too. */
  readonly sources: Map<string, string>;
  readonly reshapes: Map<string, string>;
  /** What comes from outside, and how: other shapes of it are asked for there. */
  readonly given: Map<string, (shape: readonly number[]) => string>;
}

/** With `inputViews`, an input is asked for in each shape that it is used in: the runtime copies what it reshapes of those. */
export function createEmitter({ inputViews = false } = {}): Emitter {
  const top: Scope = { nodes: [], sources: new Map(), reshapes: new Map(), given: new Map() };
  let scope = top;
  const renamed = new Map<string, string>();
  const graph = { constants: [] as Message, outputs: [] as Message, told: [] as Message };
  const inputs: { readonly name: string; readonly shape: readonly Dimension[] }[] = [];
  const views: View[] = [];
  /** Names of the outputs, and of what they are made of. */
  const wanted: string[] = [];
  const domains = new Set<string>(['']);
  const constants = new Map<string, string>();
  let count = 0;
  let purpose = '';

  const add = (
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Record<string, Attribute>,
    domain: string,
    implicit: readonly string[],
  ): string[] => {
    domains.add(domain);
    const names = Array.from({ length: outputs }, (_, i) => `t${count}${i === 0 ? '' : `_${i}`}`);
    scope.nodes.push({ name: `${purpose}:${count}`, op, inputs, implicit, outputs: names, attributes, domain });
    count += 1;
    return names;
  };
  const emitMany: Emitter['emitMany'] = (op, inputs, outputs, attributes = {}, domain = '') =>
    add(op, inputs, outputs, attributes, domain, []);
  const emit: Emitter['emit'] = (op, inputs, attributes, domain) => emitMany(op, inputs, 1, attributes, domain)[0]!;
  const constant = (key: string, type: number, dims: readonly number[], raw: Uint8Array): string => {
    const known = constants.get(key);
    if (known !== undefined) return known;
    const name = `c${constants.size}`;
    constants.set(key || `#${name}`, name);
    addMessage(graph.constants, 5, tensorMessage(name, type, dims, raw));
    return name;
  };
  const ints: Emitter['ints'] = (values) =>
    constant(`i${values}`, INT64, [values.length], new Uint8Array(BigInt64Array.from(values, BigInt).buffer));

  const reshape: Emitter['reshape'] = (x, shape) => {
    const source = scope.sources.get(x) ?? x;
    const key = `${source}:${shape}`;
    const known = scope.reshapes.get(key);
    if (known !== undefined) return known;
    const made = scope.given.get(source)?.(shape) ?? emit('Reshape', [source, ints(shape)]);
    scope.reshapes.set(key, made);
    scope.sources.set(made, source);
    return made;
  };
  const input: Emitter['input'] = (name, shape) => {
    inputs.push({ name, shape });
    top.reshapes.set(`${name}:${shape}`, name);
    if (inputViews) top.given.set(name, (wanted) => viewOnce(name, wanted));
    return name;
  };
  const view: Emitter['view'] = (name, of, start, shape) => {
    views.push({ name, of, start, shape });
    return input(name, shape);
  };

  /** Whoever asks for it, a body of a Scan too: it is there for the whole graph. */
  const viewOnce = (of: string, shape: readonly number[]): string => {
    const key = `${of}:${shape}`;
    const name = top.reshapes.get(key) ?? view(`${of}_${shape.join('x')}`, of, 0, shape);
    top.reshapes.set(key, name);
    return name;
  };

  const scan: Emitter['scan'] = (turns, build) => {
    const outer = scope;
    const prefix = `s${count}_`;
    const cuts: { readonly name: string; readonly source: string; readonly part: readonly number[] }[] = [];
    const given: Scope['given'] = new Map(outer.given);
    scope = { nodes: [], sources: new Map(outer.sources), reshapes: new Map(outer.reshapes), given };
    const cut = (source: string, part: readonly number[]): string => {
      const name = `${prefix}${cuts.length}`;
      cuts.push({ name, source, part });
      scope.reshapes.set(`${name}:${part}`, name);
      given.set(name, (shape) => cut(source, shape));
      return name;
    };
    const outputs = unwrapped(build(cut), scope);
    const nodes = live(scope.nodes, outputs);
    const names = new Set(nodes.flatMap(namesUsed));
    const used = cuts.filter(({ name }) => names.has(name));
    const body = encodeNodes(nodes, new Map());
    addText(body, 2, 'body');
    for (const { name, part } of used) addMessage(body, 11, valueMessage(name, part));
    for (const name of outputs) addMessage(body, 12, valueMessage(name));
    scope = outer;
    const stacked = used.map(({ source, part }) => reshape(source, [turns, ...part]));
    const attributes = { num_scan_inputs: used.length, body: { graph: body } };
    return add('Scan', stacked, outputs.length, attributes, '', [...names]);
  };

  return {
    about(next) {
      purpose = next;
    },
    emit,
    emitMany,
    reshape,
    scan,
    ints,
    floats(values, shape) {
      const data = values instanceof Float32Array ? values : Float32Array.from(values);
      const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return constant(data.length > 64 ? '' : `f${shape}:${data.join()}`, FLOAT, shape, raw);
    },
    tell(name, shape) {
      addMessage(graph.told, 13, valueMessage(name, shape));
    },
    input,
    view,
    output(name, source, shape) {
      // The node's own output takes the name, which saves a copy, unless it has been given one already.
      if (renamed.has(source) || !top.nodes.some((node) => node.outputs.includes(source))) {
        const copy = { op: 'Identity', inputs: [source], implicit: [], outputs: [name], attributes: {}, domain: '' };
        top.nodes.push({ name: `out_${name}`, ...copy });
      } else renamed.set(source, name);
      addMessage(graph.outputs, 12, valueMessage(name, shape));
      wanted.push(source, name);
    },
    views: () => views,
    encode(metadata = {}) {
      const nodes = live(top.nodes, wanted);
      const declared: Message = [];
      for (const { name, shape } of inputs) addMessage(declared, 11, valueMessage(name, shape));
      return encodeModel({ ...graph, inputs: declared, nodes: encodeNodes(nodes, renamed) }, domains, metadata);
    },
  };
}

/** Outputs of a body as they were before they were reshaped, which would be a copy: the graph around shapes them. */
function unwrapped(outputs: readonly string[], { nodes, sources }: Scope): string[] {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const seen = new Set<string>();
  return outputs.map((name) => {
    const source = sources.get(name);
    const best = source !== undefined && made.has(source) && !seen.has(source) ? source : name;
    seen.add(best);
    return best;
  });
}

const namesUsed = ({ inputs, implicit }: NodeRecord): readonly string[] => [...inputs, ...implicit];

/** The nodes that `outputs` need, in order. */
function live(nodes: readonly NodeRecord[], outputs: readonly string[]): NodeRecord[] {
  const needed = new Set(outputs);
  const kept: NodeRecord[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    for (const name of namesUsed(node)) needed.add(name);
    kept.push(node);
  }
  return kept.reverse();
}
