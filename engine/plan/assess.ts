// One node's verdict: fresh, to be restored, or stale, with the reasons. `plan`, `status`, `why` and `run` all decide here.

import path from 'node:path';
import { type Cache, type Digest, type Entry, type Key, Unhashable } from '../../cache/index.ts';
import type { Code, Ingredients, InputItem } from '../model/ingredients.ts';
import type { InputRole, Node, Source } from '../model/node.ts';
import { own } from '../model/own.ts';
import type { Reason } from '../model/reason.ts';
import type { NodeRecord } from '../model/record.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { callersVariables, withoutSecrets } from '../model/variables.ts';
import { recordOf, stateOf } from '../state/records.ts';
import { changes } from './changes.ts';
import { axesText, keyOf } from './key.ts';

export interface PlanContext {
  readonly root: string;
  readonly cache: Cache;
  readonly codes: ReadonlyMap<string, Code>;
  /** Versions printed by declared tools, by command. */
  readonly tools: ReadonlyMap<string, string>;
  /** The outputs of a node that is done, or that will be restored; undefined while they are unknown. */
  outputsOf(node: string): Readonly<Record<string, Entry>> | undefined;
}

export type Verdict =
  | { readonly state: 'fresh'; readonly record: NodeRecord }
  | { readonly state: 'restore'; readonly record: NodeRecord; readonly reasons: readonly Reason[] }
  | { readonly state: 'stale'; readonly reasons: readonly Reason[] };

export interface Assessment {
  readonly key: Key;
  /** To be recorded and shown: secrets are told by digest. */
  readonly ingredients: Ingredients;
  /** As it is in the key. */
  readonly environment: Ingredients['environment'];
  /** What the node would read, to check after it ran that it was still so. */
  readonly read: readonly { readonly path: string; readonly entry: Entry }[];
  readonly verdict: Verdict;
}

/** Fails with the paths of inputs that do not exist. Every producer of the node must be known to `outputsOf`. */
export function assess(node: Node, context: PlanContext, forced: boolean): Result<Assessment, readonly Source[]> {
  const missing: Source[] = [];
  const read: { path: string; entry: Entry }[] = [];
  const inputs: Record<string, readonly InputItem[]> = {};
  for (const role of node.inputs) inputs[role.name] = itemsOf(role, context, read, missing);
  if (missing.length > 0) return fail(missing);

  const whole: Ingredients = { ...ownIngredients(node, context), inputs };
  const { environment } = whole;
  const key = keyOf(node, whole);
  const ingredients = { ...whole, environment: withoutSecrets(environment) };
  read.push(...assetsOf(whole.code, context));
  const verdict = forced ? forcedVerdict() : judge(node, key, ingredients, context);
  return ok({ key, ingredients, environment, read, verdict });
}

const forcedVerdict = (): Verdict => ({
  state: 'stale',
  reasons: [{ kind: 'forced', name: '', before: null, after: null }],
});

/** What is known of a node before its inputs are: used to say why a node is stale whose upstream has not run yet. */
export function ownChanges(node: Node, context: PlanContext): Reason[] {
  const state = stateOf(context.cache, node.name);
  if (!state) return [neverRan(node)];
  return changes(
    state.ingredients,
    { ...ownIngredients(node, context), inputs: state.ingredients.inputs },
    context.cache,
  );
}

function ownIngredients(node: Node, context: PlanContext): Omit<Ingredients, 'inputs'> {
  const environment = callersVariables(node);
  for (const [tool, command] of Object.entries(node.tools))
    environment[`tool ${tool}`] = context.tools.get(command) ?? null;
  return {
    code:
      node.action.kind === 'shell'
        ? node.action
        : { kind: 'module', path: node.action.path, ...context.codes.get(node.action.path)! },
    params: node.params,
    environment,
    outputs: node.outputs.map(({ name }) => name),
  };
}

/** What is read beside the code, as it was when the code's digest was made. */
function assetsOf(code: Ingredients['code'], { root, cache }: PlanContext): Assessment['read'] {
  const assets = code.kind === 'module' ? Object.entries(code.assets ?? {}) : [];
  return assets
    .filter(([, digest]) => digest !== '')
    .map(([file, digest]) => {
      const found = lookOrNull(cache, path.resolve(root, file)) ?? { kind: 'file', sizeBytes: 0, files: 1 };
      return { path: file, entry: { ...found, digest: digest as Digest } };
    });
}

function itemsOf(
  role: InputRole,
  context: PlanContext,
  read: { path: string; entry: Entry }[],
  missing: Source[],
): InputItem[] {
  const items: InputItem[] = [];
  for (const source of role.sources) {
    const entry = entryOf(source, context);
    if (!entry) {
      missing.push(source);
      continue;
    }
    items.push({ axes: axesText(source.axes), path: source.path, kind: entry.kind, digest: entry.digest });
    read.push({ path: source.path, entry });
  }
  return items;
}

function entryOf(source: Source, { root, cache, outputsOf }: PlanContext): Entry | null {
  const place = path.resolve(root, source.path);
  if (!source.producer) return cache.scan(place);
  const { node, output, subpath } = source.producer;
  const outputs = outputsOf(node);
  const whole = outputs && own(outputs, output);
  if (!whole || !subpath) return whole ?? null;
  // The producer's artifact lies in the work tree as recorded, but for one that is only planned to be restored.
  const artifact = cache.scan(place.slice(0, -subpath.length - 1));
  if (artifact?.digest === whole.digest) return cache.scan(place);
  const file = cache.files(whole)?.find((line) => line.path === subpath);
  return file ? { kind: 'file', digest: file.digest, sizeBytes: file.sizeBytes, files: 1 } : null;
}

function judge(node: Node, key: Key, ingredients: Ingredients, { root, cache }: PlanContext): Verdict {
  const record = recordOf(cache, key);
  if (!record) return { state: 'stale', reasons: whyNew(node, ingredients, cache) };
  const damaged = node.outputs.flatMap(({ name, path: file }) =>
    outputReason(cache, root, file, record.outputs[name]!),
  );
  if (damaged.length === 0) return { state: 'fresh', record };
  if (!node.outputs.every(({ name }) => cache.has(record.outputs[name]!))) return { state: 'stale', reasons: damaged };
  const state = stateOf(cache, node.name);
  const edited = state ? changes(state.ingredients, ingredients, cache) : [];
  return { state: 'restore', record, reasons: edited.length > 0 ? edited : damaged };
}

function whyNew(node: Node, ingredients: Ingredients, cache: Cache): Reason[] {
  const state = stateOf(cache, node.name);
  const reasons = state ? changes(state.ingredients, ingredients, cache) : [];
  return reasons.length > 0 ? reasons : [neverRan(node)];
}

const neverRan = (node: Node): Reason => ({ kind: 'never-ran', name: node.name, before: null, after: null });

function outputReason(cache: Cache, root: string, file: string, wanted: Entry): Reason[] {
  const found = lookOrNull(cache, path.join(root, file));
  if (!found) return [{ kind: 'output-missing', name: file, before: wanted.digest, after: null }];
  if (found.digest === wanted.digest && found.kind === wanted.kind) return [];
  return [{ kind: 'output-changed', name: file, before: wanted.digest, after: found.digest }];
}

/** A link to nothing, say, in an output: it is not what was made. */
function lookOrNull(cache: Cache, place: string): Entry | null {
  try {
    return cache.scan(place);
  } catch (error) {
    if (error instanceof Unhashable) return null;
    throw error;
  }
}
