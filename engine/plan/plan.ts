// The plan: every selected node with its verdict, in an order in which they can run. Nothing is run and nothing written.
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Cache, Entry, Key } from '../../cache/index.ts';
import { producers } from '../graph/order.ts';
import type { Code } from '../model/ingredients.ts';
import type { Node, Pipeline, Source } from '../model/node.ts';
import type { Reason } from '../model/reason.ts';
import { assess, ownChanges, type PlanContext } from './assess.ts';

export type PlannedState = 'fresh' | 'restore' | 'stale';

export interface Planned {
  readonly node: Node;
  readonly state: PlannedState;
  readonly reasons: readonly Reason[];
  /** Absent while it is unknown. */
  readonly key?: Key;
}

/** A file or folder that no node makes and that is not there: `run` will not start without it. */
export interface MissingSource {
  readonly path: string;
  readonly node: string;
}

export interface PlanRequest {
  readonly pipeline: Pipeline;
  /** Selected nodes in an order in which they can run. */
  readonly nodes: readonly Node[];
  readonly forced: ReadonlySet<string>;
  readonly cache: Cache;
  readonly codes: ReadonlyMap<string, Code>;
  readonly tools: ReadonlyMap<string, string>;
}

/** A node downstream of one that will run is stale for now: its key is unknown, and early cutoff may keep it fresh. */
export function plan(request: PlanRequest): { planned: Planned[]; missing: MissingSource[] } {
  const known = new Map<string, Readonly<Record<string, Entry>>>();
  const selected = new Set(request.nodes.map(({ name }) => name));
  const context: PlanContext = {
    root: request.pipeline.root,
    cache: request.cache,
    codes: request.codes,
    tools: request.tools,
    outputsOf: (name) => known.get(name) ?? (selected.has(name) ? undefined : outputsOnDisk(request, name)),
  };
  const planned: Planned[] = [];
  const missing: MissingSource[] = [];
  const lacking = (node: Node, sources: readonly Source[]): Reason[] => {
    for (const { path: file } of sources) missing.push({ path: file, node: node.name });
    return sources.map(({ path: file }) => ({ kind: 'input-missing', name: file, before: null, after: null }));
  };
  for (const node of request.nodes) {
    const waiting = producers(node).filter((name) => selected.has(name) && !known.has(name));
    if (waiting.length > 0) {
      const absent = lacking(node, absentFiles(node, context.root));
      const reasons = [...absent, ...ownChanges(node, context), ...waiting.map(upstreamReason)];
      planned.push({ node, state: 'stale', reasons });
      continue;
    }
    const assessed = assess(node, context, request.forced.has(node.name));
    if (!assessed.ok) {
      const unknown = assessed.error.flatMap(({ producer }) => (producer ? [upstreamReason(producer.node)] : []));
      const absent = lacking(
        node,
        assessed.error.filter(({ producer }) => !producer),
      );
      planned.push({ node, state: 'stale', reasons: [...absent, ...unknown] });
      continue;
    }
    const { verdict, key } = assessed.value;
    if (verdict.state !== 'stale') known.set(node.name, verdict.record.outputs);
    planned.push({ node, state: verdict.state, reasons: verdict.state === 'fresh' ? [] : verdict.reasons, key });
  }
  return { planned, missing };
}

const byName = new WeakMap<Pipeline, ReadonlyMap<string, Node>>();

function nodesByName(pipeline: Pipeline): ReadonlyMap<string, Node> {
  const known = byName.get(pipeline) ?? new Map(pipeline.nodes.map((node) => [node.name, node]));
  byName.set(pipeline, known);
  return known;
}

/** With --only, what a node needs is taken as it lies in the work tree. */
export function outputsOnDisk(
  { pipeline, cache }: Pick<PlanRequest, 'pipeline' | 'cache'>,
  name: string,
): Record<string, Entry> {
  const outputs: Record<string, Entry> = {};
  for (const output of nodesByName(pipeline).get(name)?.outputs ?? []) {
    const entry = cache.scan(path.join(pipeline.root, output.path));
    if (entry) outputs[output.name] = entry;
  }
  return outputs;
}

/** A node that waits for others is not assessed, but `run` looks for the files that it reads before anything runs. */
function absentFiles(node: Node, root: string): Source[] {
  const files = node.inputs.flatMap(({ sources }) => sources.filter(({ producer }) => producer === undefined));
  return files.filter((file) => !existsSync(path.resolve(root, file.path)));
}

const upstreamReason = (name: string): Reason => ({ kind: 'upstream', name, before: null, after: null });
