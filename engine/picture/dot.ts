// The pipeline in Graphviz's language: left to right, rounded boxes, a box around the nodes of a task, a legend of states.
import { FAINT, INK, NEUTRAL, STATE_COLORS } from './colors.ts';
import { describeStates, type Edge, STATES, type Vertex, type View } from './view.ts';

// A font whose widths Graphviz knows without font files; render.ts names what may stand in for it in a browser.
const FONT = 'Helvetica';

export function dot(view: View): string {
  const lines = [
    'digraph pipeline {',
    `  graph [rankdir=LR, compound=true, nodesep=0.16, ranksep=0.55, pad=0.25, bgcolor="white", fontname="${FONT}", fontsize=11, fontcolor="${FAINT}"]`,
    `  node [shape=box, style="rounded,filled", penwidth=1.1, margin="0.13,0.06", height=0.3, fontname="${FONT}", fontsize=12, fontcolor="${INK}", color="${NEUTRAL.line}", fillcolor="${NEUTRAL.fill}"]`,
    `  edge [color="#8793a3", penwidth=1.1, arrowsize=0.65, fontname="${FONT}", fontsize=10, fontcolor="${FAINT}"]`,
  ];
  for (const [task, vertices] of byTask(view.vertices))
    for (const line of vertices.length > 1 ? cluster(task, vertices) : vertices.map((vertex) => box(vertex, false)))
      lines.push(line);
  for (const edge of bundle(view)) lines.push(arrow(edge));
  lines.push(...legend(view), '}');
  return `${lines.join('\n')}\n`;
}

function byTask(vertices: readonly Vertex[]): Map<string, Vertex[]> {
  const groups = new Map<string, Vertex[]>();
  for (const vertex of vertices) {
    const group = groups.get(vertex.task);
    if (group) group.push(vertex);
    else groups.set(vertex.task, [vertex]);
  }
  return groups;
}

function cluster(task: string, vertices: readonly Vertex[]): string[] {
  return [
    `  subgraph ${quote(`cluster_${task}`)} {`,
    `    graph [label=${quote(`${task} ×${vertices.length}`)}, labeljust=l, style="rounded", color="#c3cad3", margin=8]`,
    ...vertices.map((vertex) => `  ${box(vertex, true)}`),
    '  }',
  ];
}

function box(vertex: Vertex, inCluster: boolean): string {
  const [state] = vertex.states.keys();
  const colors = STATE_COLORS[state ?? ''] ?? NEUTRAL;
  const title = inCluster ? [] : [`<b>${html(vertex.title)}</b>`];
  const small = [vertex.detail, vertex.count > 1 || inCluster ? describeStates(vertex) : ''].filter(
    (line) => line !== '',
  );
  const label = [
    ...title,
    ...small.map((line) => `<font point-size="10" color="${inCluster ? INK : FAINT}">${html(line)}</font>`),
  ];
  const tip = `tooltip=${quote(vertex.id)}`;
  return `  ${quote(vertex.id)} [label=<${label.join('<br/>')}>, fillcolor="${colors.fill}", color="${colors.line}", ${tip}]`;
}

/** An edge of the picture; `tail` and `head` are the tasks whose whole box it leaves or enters. */
interface Arrow extends Edge {
  readonly tail?: string;
  readonly head?: string;
}

/**
 * Draws one arrow from or to the box of a task where all of its nodes are meant: a mean over 25 nodes is one line.
 */
function bundle(view: View): Arrow[] {
  const groups = byTask(view.vertices);
  const taskOf = new Map(view.vertices.map((vertex) => [vertex.id, vertex.task]));
  const pairs = new Map<string, Edge[]>();
  for (const edge of view.edges) {
    const key = `${taskOf.get(edge.from)} ${taskOf.get(edge.to)}`;
    pairs.set(key, [...(pairs.get(key) ?? []), edge]);
  }
  return [...pairs.values()].flatMap((edges) => {
    const tail = taskOf.get(edges[0]!.from)!;
    const head = taskOf.get(edges[0]!.to)!;
    const tails = groups.get(tail)!;
    const heads = groups.get(head)!;
    const leave = tails.length > 1 ? { tail, fan: tails.length, from: middle(tails) } : {};
    const enter = heads.length > 1 ? { head, to: middle(heads) } : {};
    if (edges.length === tails.length * heads.length) return [{ ...edges[0]!, ...leave, ...enter }];
    const byHead = bundleBy(edges, (edge) => edge.to, tails.length, leave);
    return bundleBy(byHead, (edge) => (edge.tail === undefined ? edge.from : edge.to), heads.length, enter);
  });
}

/** Replaces each group of edges that has as many members as the task has nodes by one edge. */
function bundleBy(
  edges: readonly Arrow[],
  keyOf: (edge: Arrow) => string,
  whole: number,
  change: Partial<Arrow>,
): Arrow[] {
  if (whole < 2) return [...edges];
  const groups = new Map<string, Arrow[]>();
  for (const edge of edges) groups.set(keyOf(edge), [...(groups.get(keyOf(edge)) ?? []), edge]);
  return [...groups.values()].flatMap((group) => (group.length === whole ? [{ ...group[0]!, ...change }] : group));
}

const middle = (vertices: readonly Vertex[]): string => vertices[Math.floor(vertices.length / 2)]!.id;

function arrow(edge: Arrow): string {
  const attributes = [
    ...(edge.after ? ['style=dashed', 'tooltip="order only"'] : []),
    ...(edge.fan > 1 ? [`label=" ×${edge.fan}"`, 'penwidth=1.8'] : []),
    ...(edge.tail === undefined ? [] : [`ltail=${quote(`cluster_${edge.tail}`)}`]),
    ...(edge.head === undefined ? [] : [`lhead=${quote(`cluster_${edge.head}`)}`]),
  ];
  return `  ${quote(edge.from)} -> ${quote(edge.to)}${attributes.length > 0 ? ` [${attributes.join(', ')}]` : ''}`;
}

function legend(view: View): string[] {
  const present = STATES.filter((state) => view.vertices.some((vertex) => vertex.states.has(state)));
  const dashed = view.edges.some((edge) => edge.after);
  const fans = bundle(view).some((edge) => edge.fan > 1);
  const cells = present.map((state) => cell(state, STATE_COLORS[state]!.fill, STATE_COLORS[state]!.line));
  if (dashed) cells.push(`<td align="left">- - -&gt; order only</td>`);
  if (fans) cells.push('<td align="left">×N: N nodes into one</td>');
  if (cells.length === 0) return [];
  const table = `<table border="0" cellborder="0" cellspacing="6" cellpadding="3"><tr>${cells.join('')}</tr></table>`;
  return [`  graph [labelloc=b, labeljust=l, label=<${table}>]`];
}

const cell = (name: string, fill: string, line: string): string =>
  `<td border="1" style="rounded" bgcolor="${fill}" color="${line}"><font color="${INK}">${name}</font></td>`;

const quote = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
const html = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
