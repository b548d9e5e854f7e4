// An ONNX graph under construction: nodes, constants, inputs and outputs, and its encoding as an ONNX file.
// Field numbers are those of onnx.proto (IR version 8).
import { addBytes, addFloat, addInt, addMessage, addText, type Message, readFields, toBytes } from './protobuf.ts';

type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly graph: Message };
type Dimension = number | string;

interface NodeRecord {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Record<string, Attribute>;
  readonly domain: string;
}

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
  /**
   * A Scan: `build` adds the nodes of the body, which may use any name of the graph around, and names its outputs. Inputs
   * are cut along their first axis; `parts` are the shapes of one cut. Returns the stacked outputs.
   */
  scan(
    inputs: readonly string[],
    parts: readonly (readonly number[])[],
    build: (names: string[]) => { readonly name: string; readonly shape: readonly number[] }[],
  ): string[];
  /** A constant of 64-bit integers (axes, shapes, pads), one dimension. */
  ints(values: readonly number[]): string;
  /** A float constant; a scalar where `shape` is empty. */
  floats(values: ArrayLike<number>, shape: readonly number[]): string;
  input(name: string, shape: readonly Dimension[]): string;
  output(name: string, source: string, shape: readonly Dimension[]): void;
  readonly nodeCount: () => number;
  encode(metadata?: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer>;
}

const FLOAT = 1;
const INT64 = 7;
/** Opset 18 is the first where every reduction takes its axes as an input. */
const OPSETS = { '': 18, 'com.microsoft': 1, 'com.microsoft.nchwc': 1 } as const;

export function createEmitter(): Emitter {
  let nodes: NodeRecord[] = [];
  const renamed = new Map<string, string>();
  const graph = { constants: [] as Message, inputs: [] as Message, outputs: [] as Message };
  const domains = new Set<string>(['']);
  const constants = new Map<string, string>();
  let count = 0;
  let purpose = '';

  const emitMany: Emitter['emitMany'] = (op, inputs, outputs, attributes = {}, domain = '') => {
    domains.add(domain);
    const names = Array.from({ length: outputs }, (_, i) => `t${count}${i === 0 ? '' : `_${i}`}`);
    nodes.push({ name: `${purpose}:${count}`, op, inputs, outputs: names, attributes, domain });
    count += 1;
    return names;
  };
  const constant = (key: string, type: number, dims: readonly number[], raw: Uint8Array): string => {
    const known = constants.get(key);
    if (known !== undefined) return known;
    const name = `c${constants.size}`;
    constants.set(key || `#${name}`, name);
    addMessage(graph.constants, 5, tensorMessage(name, type, dims, raw));
    return name;
  };
  const scan: Emitter['scan'] = (inputs, parts, build) => {
    const outer = nodes;
    nodes = [];
    const prefix = `s${count}_`;
    const outputs = build(parts.map((_, i) => `${prefix}${i}`));
    const body = encodeNodes(nodes, new Map());
    addText(body, 2, 'body');
    parts.forEach((shape, i) => {
      addMessage(body, 11, valueMessage(`${prefix}${i}`, shape));
    });
    for (const { name, shape } of outputs) addMessage(body, 12, valueMessage(name, shape));
    nodes = outer;
    return emitMany('Scan', inputs, outputs.length, { num_scan_inputs: inputs.length, body: { graph: body } });
  };
  return {
    about(next) {
      purpose = next;
    },
    scan,
    emit: (op, inputs, attributes, domain) => emitMany(op, inputs, 1, attributes, domain)[0]!,
    emitMany,
    ints(values) {
      const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      return constant(`i${values}`, INT64, [values.length], raw);
    },
    floats(values, shape) {
      const data = values instanceof Float32Array ? values : Float32Array.from(values);
      const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return constant(data.length > 64 ? '' : `f${shape}:${data.join()}`, FLOAT, shape, raw);
    },
    input(name, shape) {
      addMessage(graph.inputs, 11, valueMessage(name, shape));
      return name;
    },
    output(name, source, shape) {
      // The node's own output takes the name, which saves a copy, unless it has been given one already.
      if (renamed.has(source) || !nodes.some((node) => node.outputs.includes(source))) {
        nodes.push({
          name: `out_${name}`,
          op: 'Identity',
          inputs: [source],
          outputs: [name],
          attributes: {},
          domain: '',
        });
      } else renamed.set(source, name);
      addMessage(graph.outputs, 12, valueMessage(name, shape));
    },
    nodeCount: () => count,
    encode: (metadata = {}) => encodeModel({ ...graph, nodes: encodeNodes(nodes, renamed) }, domains, metadata),
  };
}

function encodeModel(
  graph: { nodes: Message; constants: Message; inputs: Message; outputs: Message },
  domains: ReadonlySet<string>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const body: Message = graph.nodes.slice();
  addText(body, 2, 'dag');
  for (const part of [graph.constants, graph.inputs, graph.outputs]) for (const bytes of part) body.push(bytes);
  const model: Message = [];
  addInt(model, 1, 8);
  addText(model, 2, 'dag');
  addMessage(model, 7, body);
  for (const domain of domains) {
    const opset: Message = [];
    addText(opset, 1, domain);
    addInt(opset, 2, OPSETS[domain as keyof typeof OPSETS]);
    addMessage(model, 8, opset);
  }
  for (const [key, value] of Object.entries(metadata)) {
    const entry: Message = [];
    addText(entry, 1, key);
    addText(entry, 2, value);
    addMessage(model, 14, entry);
  }
  return toBytes(model) as Uint8Array<ArrayBuffer>;
}

/** The metadata of an ONNX file. */
export function readMetadata(model: Uint8Array): Record<string, string> {
  const text = (entry: Uint8Array, field: number): string => new TextDecoder().decode(readFields(entry, field)[0]);
  return Object.fromEntries(readFields(model, 14).map((entry) => [text(entry, 1), text(entry, 2)]));
}

function encodeNodes(nodes: readonly NodeRecord[], renamed: ReadonlyMap<string, string>): Message {
  const name = (value: string): string => renamed.get(value) ?? value;
  const message: Message = [];
  for (const node of nodes) {
    const [inputs, outputs] = [node.inputs.map(name), node.outputs.map(name)];
    addMessage(message, 1, nodeMessage({ ...node, inputs, outputs }));
  }
  return message;
}

function nodeMessage({ name, op, inputs, outputs, attributes, domain }: NodeRecord): Message {
  const node: Message = [];
  for (const input of inputs) addText(node, 1, input);
  for (const output of outputs) addText(node, 2, output);
  addText(node, 3, name);
  addText(node, 4, op);
  for (const [key, value] of Object.entries(attributes)) addMessage(node, 5, attributeMessage(key, value));
  if (domain !== '') addText(node, 7, domain);
  return node;
}

function attributeMessage(name: string, value: Attribute): Message {
  const attribute: Message = [];
  addText(attribute, 1, name);
  if (typeof value === 'number') {
    addInt(attribute, 3, value);
    addInt(attribute, 20, 2);
  } else if (typeof value === 'string') {
    addText(attribute, 4, value);
    addInt(attribute, 20, 3);
  } else if ('graph' in value) {
    addMessage(attribute, 6, value.graph);
    addInt(attribute, 20, 5);
  } else if ('float' in value) {
    addFloat(attribute, 2, value.float);
    addInt(attribute, 20, 1);
  } else {
    for (const n of value) addInt(attribute, 8, n);
    addInt(attribute, 20, 7);
  }
  return attribute;
}

function tensorMessage(name: string, type: number, dims: readonly number[], raw: Uint8Array): Message {
  const tensor: Message = [];
  for (const n of dims) addInt(tensor, 1, n);
  addInt(tensor, 2, type);
  addText(tensor, 8, name);
  addBytes(tensor, 9, raw);
  return tensor;
}

function valueMessage(name: string, shape: readonly Dimension[]): Message {
  const dims: Message = [];
  for (const n of shape) {
    const dim: Message = [];
    if (typeof n === 'number') addInt(dim, 1, n);
    else addText(dim, 2, n);
    addMessage(dims, 1, dim);
  }
  const tensor: Message = [];
  addInt(tensor, 1, FLOAT);
  addMessage(tensor, 2, dims);
  const type: Message = [];
  addMessage(type, 1, tensor);
  const value: Message = [];
  addText(value, 1, name);
  addMessage(value, 2, type);
  return value;
}
