// YAML text to a small tree that remembers where everything was written. Built from js-yaml's events, because its
// own tree has no offsets. Core schema, anchors and merge keys; no tags but !!str, no keys that are not scalars.

import {
  boolCoreTag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  NOT_RESOLVED,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  YAMLException,
} from 'js-yaml';
import { looksLikeText, lossOf } from './number.ts';
import { type Diagnostics, describePlace, type Origin, type Span } from './span.ts';

export type Scalar = null | boolean | number | string;

export interface ScalarTree extends Span {
  readonly kind: 'scalar';
  readonly value: Scalar;
  /** The text of a number or truth value that may be meant as a text, and would be another one: `3.10`, `007`, `True`. */
  readonly written?: string;
  /** Offset of the value's first character where text and value agree character by character, else -1. */
  readonly verbatim: number;
}
export interface ListTree extends Span {
  readonly kind: 'list';
  readonly items: readonly Tree[];
}
export interface MapEntry {
  readonly key: string;
  readonly keySpan: Span;
  readonly value: Tree;
}
export interface MapTree extends Span {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
}
export type Tree = ScalarTree | ListTree | MapTree;

interface OpenShared {
  readonly start: number;
  readonly flow: boolean;
  readonly anchor: string | undefined;
  /** Values that the document had before it, aliases written out. */
  readonly before: number;
  /** Of collections inside one another. */
  height: number;
}
interface OpenList extends OpenShared {
  readonly kind: 'list';
  readonly items: Tree[];
}
interface OpenMap extends OpenShared {
  readonly kind: 'map';
  readonly entries: Map<string, MapEntry>;
  readonly merges: Tree[];
  key: Tree | undefined;
  merging: boolean;
}
type Open = OpenList | OpenMap;

interface Anchored {
  readonly tree: Tree;
  readonly size: number;
  readonly height: number;
}

/** Aliases of aliases make a document without end of a small file: so many values, so deep, once they are written out. */
const MOST_VALUES = 1_000_000;
const DEEPEST = 100;

/** The tree of one document; undefined after a syntax error, which is reported, or for an empty document. */
export function parseYaml(origin: Origin, sink: Diagnostics): Tree | undefined {
  try {
    return build(parseEvents(origin.text, { filename: origin.file }), origin, sink);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const at = Math.min(error.mark?.position ?? 0, origin.text.length);
    const hint = 'look here, and above for a bracket or a quote that is not closed, or an indentation that differs';
    return sink.report({ origin, start: at, end: at + 1 }, `not valid YAML: ${error.reason}`, hint);
  }
}

function build(events: readonly Event[], origin: Origin, sink: Diagnostics): Tree | undefined {
  const open: Open[] = [];
  const anchors = new Map<string, Anchored>();
  let root: Tree | undefined;
  let documents = 0;
  let reached = 0;
  let values = 0;

  const place = (tree: Tree, asKey: boolean): void => {
    const parent = open[open.length - 1];
    values += 1;
    if (tree.end > reached) reached = tree.end;
    if (!parent) root = tree;
    else if (parent.kind === 'list') parent.items.push(tree);
    else if (parent.key === undefined) takeKey(parent, tree, asKey, sink);
    else addEntry(parent, tree, sink);
  };

  const raise = (height: number): void => {
    const parent = open[open.length - 1];
    if (parent && parent.height < height) parent.height = height;
  };

  for (const event of events) {
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        documents += 1;
        if (documents > 1) {
          const at = origin.text.indexOf('\n---', Math.max(0, reached - 1)) + 1;
          return sink.report({ origin, start: at, end: at + 3 }, 'a second YAML document: one file holds one pipeline');
        }
        break;
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING: {
        refuseTag(event.tagStart, event.tagEnd, origin, sink);
        const anchor = nameOf(event.anchorStart, event.anchorEnd, origin);
        const common = { start: event.start, flow: event.style === 2, anchor, before: values, height: 1 };
        if (event.type === EVENT_ID.SEQUENCE) open.push({ kind: 'list', ...common, items: [] });
        else open.push({ kind: 'map', ...common, entries: new Map(), merges: [], key: undefined, merging: false });
        break;
      }
      case EVENT_ID.SCALAR: {
        const parent = open[open.length - 1];
        const isKey = parent?.kind === 'map' && parent.key === undefined;
        const tree = scalar(event, origin, isKey, reached, sink);
        const anchor = nameOf(event.anchorStart, event.anchorEnd, origin);
        if (anchor !== undefined) anchors.set(anchor, { tree, size: 1, height: 0 });
        place(tree, isKey && event.style === SCALAR_STYLE.PLAIN);
        break;
      }
      case EVENT_ID.ALIAS: {
        const name = nameOf(event.anchorStart, event.anchorEnd, origin) ?? '';
        const span = { origin, start: event.anchorStart - 1, end: event.anchorEnd };
        const target = anchors.get(name);
        if (!target) sink.report(span, `*${name} has no anchor &${name} before it`);
        reached = event.anchorEnd;
        const { tree, size, height } = target ?? {
          ...NOTHING,
          tree: { kind: 'scalar', value: null, verbatim: -1, ...span },
        };
        raise(height + 1);
        values += size;
        if (values > MOST_VALUES || open.length + height > DEEPEST)
          return sink.report(span, 'with its aliases written out, the file is too large or too deep');
        place(tree, false);
        break;
      }
      case EVENT_ID.POP: {
        const done = open.pop();
        if (!done) break; // the end of the document
        const tree = close(done, origin, reached, sink);
        const { height, before, anchor } = done;
        if (anchor !== undefined) anchors.set(anchor, { tree, size: values - before + 1, height });
        raise(height + 1);
        place(tree, false);
        break;
      }
    }
  }
  return root;
}

const NOTHING = { size: 0, height: 0 };

function nameOf(start: number, end: number, origin: Origin): string | undefined {
  return start < 0 ? undefined : origin.text.slice(start, end);
}

function refuseTag(start: number, end: number, origin: Origin, sink: Diagnostics): void {
  if (start < 0) return;
  sink.report({ origin, start, end }, `the tag ${origin.text.slice(start, end)} means nothing here`, 'take it away');
}

function scalar(event: ScalarEvent, origin: Origin, isKey: boolean, reached: number, sink: Diagnostics): ScalarTree {
  if (event.valueStart < 0)
    return { kind: 'scalar', origin, start: reached, end: reached + 1, value: null, verbatim: -1 };
  const text = getScalarValue(origin.text, event);
  const plain = event.style === SCALAR_STYLE.PLAIN;
  const quotes = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
  const tag = nameOf(event.tagStart, event.tagEnd, origin);
  const asString = tag === '!!str' || tag === '!';
  if (tag !== undefined && !asString) refuseTag(event.tagStart, event.tagEnd, origin, sink);
  const tree: ScalarTree = {
    kind: 'scalar',
    origin,
    start: event.valueStart - quotes,
    end: event.valueEnd + quotes,
    value: plain && !isKey && !asString ? resolvePlain(text) : text,
    verbatim: event.fast ? event.valueStart : -1,
  };
  if (typeof tree.value !== 'number' && typeof tree.value !== 'boolean') return tree;
  const loss = typeof tree.value === 'number' ? lossOf(text, tree.value) : undefined;
  if (loss) sink.report(tree, loss.message, (loss.instead ? `write ${loss.instead}, or ` : '') + quoting(text, origin));
  // To those who refer to it, it is what it is once it is quoted.
  if (!Number.isFinite(Number(tree.value))) return { ...tree, value: text };
  return looksLikeText(text, tree.value) ? { ...tree, written: text } : tree;
}

/** The advice to make a text of a scalar. On the command line, the shell takes a pair of quotes away. */
export const quoting = (text: string, { placed }: Origin): string =>
  placed ? `quote it: "${text}"` : `quote it, for the shell and for YAML: '"${text}"'`;

const MAY_RESOLVE = /^(?:$|[-+.0-9~tTfFnN])/;
/** A number to YAML, which js-yaml leaves a text where it is larger than JavaScript's. */
const FLOAT = /^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$/;

function resolvePlain(text: string): Scalar {
  if (!MAY_RESOLVE.test(text)) return text;
  for (const tag of [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag]) {
    const value = tag.resolve(text, false, tag.tagName);
    // -0 and 0 make one key, so a task must not tell them apart.
    if (value !== NOT_RESOLVED) return typeof value === 'number' ? value + 0 : (value as Scalar);
  }
  return FLOAT.test(text) ? Number(text) : text;
}

function takeKey(map: OpenMap, tree: Tree, plain: boolean, sink: Diagnostics): void {
  map.key = tree;
  map.merging = plain && tree.kind === 'scalar' && tree.value === '<<';
  if (tree.kind !== 'scalar')
    sink.report(tree, 'a key must be a word, not a list or a mapping', 'if this is a value, put it in quotes');
  else if (tree.value === null || tree.value === '') sink.report(tree, 'a key is missing before this ":"');
  else if (tree.value === '__proto__') sink.report(tree, 'this key is not allowed');
}

function addEntry(map: OpenMap, value: Tree, sink: Diagnostics): void {
  const keySpan = map.key!;
  map.key = undefined;
  if (map.merging) {
    map.merges.push(value);
    return;
  }
  const key = keySpan.kind === 'scalar' ? String(keySpan.value) : '?';
  const before = map.entries.get(key);
  if (!before) map.entries.set(key, { key, keySpan, value });
  else sink.report(keySpan, `"${key}" is written twice`, `it is already at ${describePlace(before.keySpan)}`);
}

function close(done: Open, origin: Origin, reached: number, sink: Diagnostics): Tree {
  const start = done.start;
  const end = done.flow ? closingBracket(origin.text, Math.max(reached, start + 1)) : Math.max(reached, start + 1);
  if (done.kind === 'list') return { kind: 'list', origin, start, end, items: done.items };
  for (const merge of done.merges) mergeInto(done.entries, merge, sink);
  return { kind: 'map', origin, start, end, entries: done.entries };
}

/** What is written in the mapping itself wins, then the earlier of several merged mappings. */
function mergeInto(entries: Map<string, MapEntry>, merged: Tree, sink: Diagnostics): void {
  if (merged.kind === 'list') {
    for (const item of merged.items) mergeInto(entries, item, sink);
    return;
  }
  if (merged.kind !== 'map') return sink.report(merged, '<< takes a mapping, or a list of mappings');
  for (const [key, entry] of merged.entries) if (!entries.has(key)) entries.set(key, entry);
}

/** Past the bracket that ends a flow collection; only white space, commas and comments lie before it. */
function closingBracket(text: string, from: number): number {
  for (let at = from; at < text.length; at++) if (text[at] === ']' || text[at] === '}') return at + 1;
  return from;
}
