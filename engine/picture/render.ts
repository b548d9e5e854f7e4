// Pictures of the pipeline: a list for the terminal, Mermaid, Graphviz DOT, and SVG drawn by Graphviz.
import type { Pipeline } from '../model/node.ts';
import { INK, STATE_COLORS } from './colors.ts';
import { dot } from './dot.ts';
import { describeStates, STATES, type View, type ViewOptions, viewOf } from './view.ts';

export interface RenderOptions extends ViewOptions {
  readonly format: 'text' | 'mermaid' | 'dot' | 'svg';
}

/** Ends with a newline. Graphviz is loaded for `svg` only. */
export async function renderGraph(pipeline: Pipeline, options: RenderOptions): Promise<string> {
  const view = viewOf(pipeline, options);
  switch (options.format) {
    case 'text':
      return text(view);
    case 'mermaid':
      return mermaid(view);
    case 'dot':
      return dot(view);
    case 'svg':
      return drawSvg(dot(view));
  }
}

async function drawSvg(source: string): Promise<string> {
  const { Graphviz } = await import('@hpcc-js/wasm-graphviz');
  const graphviz = await Graphviz.load();
  const svg = graphviz.layout(source, 'svg', 'dot');
  return svg.replaceAll('font-family="Helvetica,sans-Serif"', 'font-family="Helvetica,Arial,sans-serif"');
}

/** One line a vertex, in the order of the file: name, state, and what it reads; a fan-in as a count. */
function text(view: View): string {
  const incoming = incomingOf(view);
  const rows = view.vertices.map((vertex) => ({
    name:
      vertex.title +
      (vertex.detail === '' ? '' : vertex.title === vertex.task ? `[${vertex.detail}]` : ` [${vertex.detail}]`),
    state: describeStates(vertex),
    reads: (incoming.get(vertex.id) ?? []).join(', '),
  }));
  const nameWidth = rows.reduce((widest, row) => Math.min(64, Math.max(widest, row.name.length)), 0);
  const stateWidth = rows.reduce((widest, row) => Math.max(widest, row.state.length), 0);
  const lines = rows.map(({ name, state, reads }) => {
    const columns = [
      name.padEnd(nameWidth),
      ...(stateWidth > 0 ? [state.padEnd(stateWidth)] : []),
      reads === '' ? '' : `← ${reads}`,
    ];
    return columns.join('  ').trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** What flows into each vertex, several nodes of one task as a count. */
function incomingOf(view: View): Map<string, string[]> {
  const tasks = new Map(view.vertices.map((vertex) => [vertex.id, vertex.task]));
  const into = new Map<string, Map<string, { names: string[]; after: boolean }>>();
  for (const { from, to, after } of view.edges) {
    const byTask = into.get(to) ?? new Map<string, { names: string[]; after: boolean }>();
    into.set(to, byTask);
    const task = tasks.get(from)!;
    const group = byTask.get(task);
    byTask.set(task, { names: [...(group?.names ?? []), from], after: after && (group?.after ?? true) });
  }
  const print = ([task, { names, after }]: [string, { names: string[]; after: boolean }]) => {
    const name = names.length > 1 ? `${task} ×${names.length}` : names[0]!;
    return after ? `(after ${name})` : name;
  };
  return new Map([...into].map(([to, byTask]) => [to, [...byTask].map(print)]));
}

function mermaid(view: View): string {
  const ids = new Map(view.vertices.map((vertex, i) => [vertex.id, `n${i}`]));
  const quoted = (label: string) => label.replaceAll('"', '#quot;');
  const used = new Set<string>();
  const lines = ['flowchart LR'];
  for (const vertex of view.vertices) {
    const [state] = vertex.states.keys();
    const known = STATES.find((name) => name === state);
    if (known) used.add(known);
    const label = [vertex.title, vertex.detail, describeStates(vertex)]
      .filter((line) => line !== '')
      .map(quoted)
      .join('<br/>');
    lines.push(`  ${ids.get(vertex.id)}("${label}")${known ? `:::${known}` : ''}`);
  }
  for (const edge of view.edges)
    lines.push(`  ${ids.get(edge.from)} ${edge.after ? '-.->' : '-->'} ${ids.get(edge.to)}`);
  for (const state of used)
    lines.push(
      `  classDef ${state} fill:${STATE_COLORS[state]!.fill},stroke:${STATE_COLORS[state]!.line},color:${INK}`,
    );
  return `${lines.join('\n')}\n`;
}
