// dag graph: the pipeline, or the part of it that selectors name, as a picture on stdout, coloured by state once
// something has run.
import { existsSync } from 'node:fs';
import { buildGraph } from '../../graph/graph.ts';
import type { Pipeline } from '../../model/node.ts';
import { renderGraph } from '../../picture/render.ts';
import { planSelected } from '../../project/plan.ts';
import { type CommonFlags, loadProject, openSession, selectNames } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { placesOf } from '../../state/places.ts';
import { EXIT } from '../exit.ts';

const FORMATS = ['text', 'mermaid', 'dot', 'svg'] as const;
type Format = (typeof FORMATS)[number];

interface GraphFlags extends CommonFlags {
  readonly format?: string;
  /** Every node, not one box a task. */
  readonly all?: boolean;
}

/** Without selectors the whole pipeline is drawn, not only what a bare run builds. */
export async function graphCommand(selectors: readonly string[], flags: GraphFlags): Promise<number> {
  const format = formatOf(flags.format ?? 'text');
  const pipeline = restrict(loadProject(flags), selectors);
  const states = await statesOf(pipeline, flags);
  const picture = { format, tasks: !flags.all, states };
  const text = flags.json ? `${JSON.stringify(asData(pipeline, states))}\n` : await renderGraph(pipeline, picture);
  process.stdout.write(text);
  return EXIT.done;
}

function formatOf(word: string): Format {
  const format = FORMATS.find((known) => known === word);
  if (format) return format;
  throw new UsageError(`there is no format "${word}"\n  there is ${FORMATS.join(', ')}`);
}

function restrict(pipeline: Pipeline, selectors: readonly string[]): Pipeline {
  if (selectors.length === 0) return pipeline;
  const names = new Set(selectNames(pipeline, selectors, false));
  return { ...pipeline, nodes: pipeline.nodes.filter((node) => names.has(node.name)) };
}

/** No states before the first run, and none when they cannot be told: code that does not build is no reason not to draw. */
async function statesOf(pipeline: Pipeline, flags: CommonFlags): Promise<Map<string, string>> {
  if (!existsSync(placesOf(pipeline.root).state)) return new Map();
  const session = openSession(flags);
  try {
    const names = pipeline.nodes.map((node) => node.name);
    const { planned } = await planSelected(session, names);
    return new Map(planned.map(({ node, state }) => [node.name, state === 'restore' ? 'restored' : state]));
  } catch (error) {
    if (error instanceof UsageError) return new Map();
    throw error;
  } finally {
    await session.cache.close();
  }
}

function asData(pipeline: Pipeline, states: ReadonlyMap<string, string>) {
  const nodes = pipeline.nodes.map(({ name, task, axes }) => ({ name, task, axes, state: states.get(name) ?? null }));
  const edges = buildGraph(pipeline).mapEdges((_, { kind }, from, to) => ({ from, to, kind }));
  return { schemaVersion: 1, nodes, edges };
}
