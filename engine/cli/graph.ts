// `dag graph`: the pipeline, or the part of it that selectors name, as a picture on stdout.
import type { Pipeline } from '../graph/node.ts';
import { renderGraph } from '../graph/render.ts';
import { type SelectTrouble, select } from '../graph/select.ts';
import { ok, type Result } from '../result.ts';

export const GRAPH_FORMATS = ['text', 'mermaid', 'dot', 'svg'] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

export interface GraphOptions {
  readonly format: GraphFormat;
  /** One box a node instead of one a task. */
  readonly nodes?: boolean;
  /** Node name to state, for the colours. */
  readonly states?: ReadonlyMap<string, string>;
}

/** The text to print. Without selectors the whole pipeline is drawn, not only what a bare run builds. */
export async function graph(
  pipeline: Pipeline,
  selectors: readonly string[],
  options: GraphOptions,
): Promise<Result<string, SelectTrouble>> {
  const part = selectors.length === 0 ? ok(pipeline) : restrict(pipeline, selectors);
  if (!part.ok) return part;
  const { format, states } = options;
  const picture = { format, tasks: !options.nodes, ...(states ? { states } : {}) };
  return ok(await renderGraph(part.value, picture));
}

function restrict(pipeline: Pipeline, selectors: readonly string[]): Result<Pipeline, SelectTrouble> {
  const selected = select(pipeline, selectors);
  if (!selected.ok) return selected;
  const names = new Set(selected.value);
  return ok({ ...pipeline, nodes: pipeline.nodes.filter((node) => names.has(node.name)) });
}
