// ONNX's messages: a model, its nodes, tensors and values. Field numbers are those of onnx.proto (IR version 8).
import { addBytes, addFloat, addInt, addMessage, addText, type Message, readFields, toBytes } from './protobuf.ts';

export type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly graph: Message };
export type Dimension = number | string;

export interface NodeRecord {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  /** Names of the graph around that a body in its attributes uses. */
  readonly implicit: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Record<string, Attribute>;
  readonly domain: string;
}

export const FLOAT = 1;
export const INT64 = 7;
/** Opset 18 is the first where every reduction takes its axes as an input. */
const OPSETS = { '': 18, 'com.microsoft': 1, 'com.microsoft.nchwc': 1 } as const;

export function encodeModel(
  graph: { nodes: Message; constants: Message; inputs: Message; outputs: Message; told: Message },
  domains: ReadonlySet<string>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const body: Message = graph.nodes.slice();
  addText(body, 2, 'dag');
  for (const part of [graph.constants, graph.inputs, graph.outputs, graph.told])
    for (const bytes of part) body.push(bytes);
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

export function encodeNodes(nodes: readonly NodeRecord[], renamed: ReadonlyMap<string, string>): Message {
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

export function tensorMessage(name: string, type: number, dims: readonly number[], raw: Uint8Array): Message {
  const tensor: Message = [];
  for (const n of dims) addInt(tensor, 1, n);
  addInt(tensor, 2, type);
  addText(tensor, 8, name);
  addBytes(tensor, 9, raw);
  return tensor;
}

/** A float tensor; without a shape, the runtime works it out. */
export function valueMessage(name: string, shape?: readonly Dimension[]): Message {
  const dims: Message = [];
  for (const n of shape ?? []) {
    const dim: Message = [];
    if (typeof n === 'number') addInt(dim, 1, n);
    else addText(dim, 2, n);
    addMessage(dims, 1, dim);
  }
  const tensor: Message = [];
  addInt(tensor, 1, FLOAT);
  if (shape !== undefined) addMessage(tensor, 2, dims);
  const type: Message = [];
  addMessage(type, 1, tensor);
  const value: Message = [];
  addText(value, 1, name);
  addMessage(value, 2, type);
  return value;
}
