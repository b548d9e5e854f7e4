// Selectors of the command line to nodes: `train`, `train[fold=2]`, globs, `+x` with what it needs, `x+` with what
// needs it, and the path of an output.

import type { Node, Pipeline } from '../model/node.ts';
import { own } from '../model/own.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { nearest } from '../text/nearest.ts';
import { neededByIndex, needsByIndex, reach } from './order.ts';

export interface SelectTrouble {
  readonly message: string;
  readonly hint?: string;
}
export interface SelectOptions {
  /** Take the selected nodes alone, without what they need. */
  readonly only?: boolean;
}

/**
 * Names of the selected nodes in the order of the pipeline, by default with everything that they need. No selector
 * means `pipeline.defaults`.
 */
export function select(
  pipeline: Pipeline,
  selectors: readonly string[],
  options: SelectOptions = {},
): Result<string[], SelectTrouble> {
  const { nodes } = pipeline;
  const index = new Map(nodes.map((node, i) => [node.name, i]));
  // Gathered first and followed once, so that ten thousand names cost no more than one.
  const alone: number[] = [];
  const withNeeds: number[] = [];
  const withUsers: number[] = [];
  const names = selectors.length === 0 ? pipeline.defaults : selectors;
  for (const selector of names) {
    const { text, needed, users } = parse(selector);
    const exact = index.get(text);
    const found = exact === undefined ? match(text, pipeline) : ok([exact]);
    if (!found.ok) return found;
    for (const i of found.value) (needed || !options.only ? withNeeds : alone).push(i);
    if (users) for (const i of found.value) withUsers.push(i);
  }
  const chosen = new Set(alone);
  if (withNeeds.length > 0 || withUsers.length > 0) {
    const needs = needsByIndex(nodes);
    const users = withUsers.length > 0 ? reach(withUsers, neighbours(neededByIndex(needs))) : [];
    for (const i of users) (options.only ? alone : withNeeds).push(i);
    for (const i of [...alone, ...reach(withNeeds, neighbours(needs))]) chosen.add(i);
  }
  return ok([...chosen].sort((a, b) => a - b).map((i) => nodes[i]!.name));
}

const neighbours = (links: readonly (readonly number[])[]) => (at: number) => links[at]!;

function parse(selector: string): { text: string; needed: boolean; users: boolean } {
  const needed = selector.startsWith('+');
  const users = selector.endsWith('+') && selector.length > 1;
  return { text: selector.slice(needed ? 1 : 0, users ? -1 : undefined), needed, users };
}

function match(text: string, pipeline: Pipeline): Result<number[], SelectTrouble> {
  const { nodes } = pipeline;
  const pattern = parsePattern(text);
  if (pattern) {
    const ofTask = indicesWhere(nodes, (node) => pattern.task(node.task));
    const found = ofTask.filter((i) => pattern.picks.every(({ axis, label }) => matchesAxis(nodes[i]!, axis, label)));
    if (found.length > 0) return ok(found);
    if (ofTask.length > 0)
      return fail(
        noSuchPoint(
          text,
          pattern.picks,
          ofTask.map((i) => nodes[i]!),
        ),
      );
  }
  const byPath = findByPath(text, pipeline);
  return byPath.length > 0 ? ok(byPath) : fail(nothingMatches(text, nodes));
}

interface Pattern {
  readonly task: (name: string) => boolean;
  readonly picks: readonly { readonly axis: string; readonly label: (label: string) => boolean }[];
}

function parsePattern(text: string): Pattern | undefined {
  const parsed = /^([^[\]/]+)(?:\[([^\]]*)\])?$/.exec(text);
  if (!parsed) return undefined;
  const pairs = (parsed[2] ?? '').split(',').filter((pair) => pair.trim() !== '');
  const picks = pairs.map((pair) => {
    const [axis = '', ...rest] = pair.split('=');
    return { axis: axis.trim(), label: glob(rest.join('=').trim()) };
  });
  return { task: glob(parsed[1]!), picks };
}

function matchesAxis(node: Node, axis: string, label: (label: string) => boolean): boolean {
  const its = own(node.axes, axis);
  return its !== undefined && label(its);
}

/** `*` is any text, `?` one character. */
function glob(pattern: string): (text: string) => boolean {
  if (!/[*?]/.test(pattern)) return (text) => text === pattern;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const expression = new RegExp(`^${source}$`, 's');
  return (text) => expression.test(text);
}

/** A path that is an output, lies inside one, or is a folder with outputs in it; an absolute one inside the root too. */
function findByPath(text: string, pipeline: Pipeline): number[] {
  const relative = text.startsWith(`${pipeline.root}/`) ? text.slice(pipeline.root.length + 1) : text;
  const path = relative.replace(/^\.\//, '').replace(/\/+$/, '');
  if (path === '') return [];
  const related = (output: string) => output === path || path.startsWith(`${output}/`) || output.startsWith(`${path}/`);
  return indicesWhere(pipeline.nodes, (node) => node.outputs.some((output) => related(output.path)));
}

function indicesWhere(nodes: readonly Node[], wanted: (node: Node) => boolean): number[] {
  const found: number[] = [];
  for (let i = 0; i < nodes.length; i++) if (wanted(nodes[i]!)) found.push(i);
  return found;
}

function noSuchPoint(text: string, picks: Pattern['picks'], nodes: readonly Node[]): SelectTrouble {
  const axes = Object.keys(nodes[0]!.axes);
  const task = nodes[0]!.task;
  for (const { axis, label } of picks) {
    const labels = [...new Set(nodes.flatMap((node) => own(node.axes, axis) ?? []))];
    if (labels.length === 0)
      return {
        message: `"${text}": task "${task}" has no axis "${axis}"`,
        hint: axes.length > 0 ? `it has ${axes.join(', ')}` : 'it has no matrix',
      };
    if (!labels.some(label))
      return {
        message: `"${text}": no such ${axis} in task "${task}"`,
        hint: `there is ${labels.slice(0, 12).join(', ')}`,
      };
  }
  return { message: `"${text}": that combination is not in the matrix of "${task}"` };
}

function nothingMatches(text: string, nodes: readonly Node[]): SelectTrouble {
  const tasks = new Set(nodes.map((node) => node.task));
  const bracket = text.indexOf('[');
  const near =
    bracket < 0
      ? (nearest(text, tasks) ??
        nearest(
          text,
          nodes.flatMap((node) => node.outputs.map((output) => output.path)),
        ))
      : nearest(text.slice(0, bracket), tasks);
  const message = `nothing matches "${text}"`;
  if (near !== undefined) return { message, hint: `did you mean "${near}${bracket < 0 ? '' : text.slice(bracket)}"?` };
  return {
    message,
    hint: tasks.size > 0 && tasks.size <= 30 ? `tasks: ${[...tasks].join(', ')}` : 'name a task, a node or an output',
  };
}
