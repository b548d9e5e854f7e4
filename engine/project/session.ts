// What every command that reads a pipeline starts with: the project found, the file loaded, the selection made, the cache open.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Cache, type LockOwner, openCache } from '../../cache/index.ts';
import { topological } from '../graph/order.ts';
import { select } from '../graph/select.ts';
import type { Asked } from '../journal/usage.ts';
import { formatDiagnostics, formatWarning } from '../load/diagnostic.ts';
import { loadPipeline } from '../load/load.ts';
import type { Code } from '../model/ingredients.ts';
import type { Node, Pipeline } from '../model/node.ts';
import { codeOf } from '../plan/code/digest.ts';
import type { MissingSource } from '../plan/plan.ts';
import { toolVersions } from '../plan/tools.ts';
import { type Places, placesOf } from '../state/places.ts';
import { projectView } from '../state/projectView.ts';
import { colors, yellow } from '../text/style.ts';
import { pipelineFile } from './file.ts';
import { UsageError } from './usageError.ts';

export { pipelineFile } from './file.ts';

/** The flags that every command takes. */
export interface CommonFlags {
  readonly directory?: string;
  readonly file?: string;
  readonly profile?: string;
  readonly set: readonly string[];
  readonly json?: boolean;
}

export interface Session {
  readonly pipeline: Pipeline;
  readonly places: Places;
  readonly cache: Cache;
}

/** Loads the pipeline; throws a UsageError with every diagnostic. Nothing is written. */
export function loadProject(flags: CommonFlags): Pipeline {
  const file = pipelineFile(flags);
  const loaded = loadPipeline({
    root: path.dirname(file),
    file,
    set: flags.set,
    ...(flags.profile === undefined ? {} : { profile: flags.profile }),
  });
  if (loaded.ok) return loaded.value;
  const source = (name: string) => (existsSync(name) ? readFileSync(name, 'utf8') : undefined);
  const text = formatDiagnostics(loaded.error, source, { color: colors.enabled, cwd: process.cwd() });
  throw new UsageError(text.trimEnd());
}

/** For the commands that build. */
export function tellWarnings({ warnings }: Pipeline): void {
  for (const warning of warnings) process.stderr.write(`${yellow('!')} ${formatWarning(warning, process.cwd())}\n`);
}

/** Null where the file, as it is now, does not load so. */
export function loadOrNull(flags: CommonFlags): Pipeline | null {
  try {
    return loadProject(flags);
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

/** The flags with which a run of the past was asked for. */
export function asRun(flags: CommonFlags, { profile, set }: Asked): CommonFlags {
  return { ...flags, set, ...(profile === null ? {} : { profile }) };
}

/** The project's folder, for commands that read only what runs left: the file need not load. */
export function projectRoot(flags: CommonFlags): string {
  return path.dirname(pipelineFile(flags));
}

export function openSession(flags: CommonFlags): Session {
  const pipeline = loadProject(flags);
  const places = placesOf(pipeline.root);
  const opened = openCache({ dir: places.cache });
  const cache = places.cache === places.state ? opened : projectView(opened, pipeline.root);
  if (cache.repaired !== null) process.stderr.write(`${cache.repaired}\n`);
  return { pipeline, places, cache };
}

/** The selected nodes with what they need, in an order in which they can run. */
export function selectNodes(pipeline: Pipeline, selectors: readonly string[], only: boolean): Node[] {
  const names = selectNames(pipeline, selectors, only);
  const wanted = new Set(names);
  const byName = new Map(pipeline.nodes.map((node) => [node.name, node]));
  return topological(pipeline)
    .filter((name) => wanted.has(name))
    .map((name) => byName.get(name)!);
}

export function selectNames(pipeline: Pipeline, selectors: readonly string[], only: boolean): string[] {
  const selected = select(pipeline, selectors.length > 0 ? selectors : pipeline.defaults, { only });
  if (selected.ok) return selected.value;
  throw selectorError(selected.error);
}

function selectorError({ message, hint }: { readonly message: string; readonly hint?: string }): UsageError {
  return new UsageError(hint === undefined ? message : `${message}\n  ${hint}`);
}

/** Says for whom the project's lock is waited for. */
export function waitingFor({ pid, host, since }: LockOwner): void {
  process.stderr.write(`waiting for another run in this project (process ${pid} on ${host}, since ${since})\n`);
}

export interface Knowledge {
  readonly codes: ReadonlyMap<string, Code>;
  readonly tools: ReadonlyMap<string, string>;
}

/** What keys need beyond the file: code digests and tool versions of these nodes. Throws a UsageError for code that does not build. */
export async function learn({ pipeline, cache }: Session, nodes: readonly Node[]): Promise<Knowledge> {
  const modules = new Set<string>();
  for (const { action } of nodes) if (action.kind === 'module') modules.add(action.path);
  const codes = new Map<string, Code>();
  const problems: string[] = [];
  for (const [module, code] of await codeOf(pipeline.root, modules, cache)) {
    if (code.ok) codes.set(module, code.value);
    else problems.push(`${module} does not build:\n${code.error}`);
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n\n'));
  return { codes, tools: await toolVersions(pipeline.root, nodes) };
}

/** The selected nodes and what their keys need, as the files are now; null where they do not load or build. */
export async function projectNow(
  { places, cache }: Pick<Session, 'places' | 'cache'>,
  selectors: readonly string[],
  flags: CommonFlags & { readonly only?: boolean },
) {
  try {
    const pipeline = loadProject(flags);
    const nodes = selectNodes(pipeline, selectors, flags.only ?? false);
    return { pipeline, nodes, ...(await learn({ pipeline, places, cache }, nodes)) };
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

/** Throws a UsageError that names every source file or folder that these nodes read and that does not exist. */
export async function checkSources({ pipeline, cache }: Session, nodes: readonly Node[]): Promise<void> {
  const sources = new Map<string, Node>();
  for (const node of nodes) {
    for (const { sources: list } of node.inputs)
      for (const { producer, path: file } of list) if (!producer && !sources.has(file)) sources.set(file, node);
  }
  await cache.warm([...sources.keys()].map((file) => path.resolve(pipeline.root, file)));
  const missing = [...sources].filter(([file]) => cache.scan(path.resolve(pipeline.root, file)) === null);
  if (missing.length > 0)
    throw new UsageError(missingText(missing.map(([file, { name }]) => ({ path: file, node: name }))));
}

export function missingText(missing: readonly MissingSource[]): string {
  const lines = missing.map(({ path: file, node }) => `the input ${file} of ${node} does not exist`);
  const what = missing.length === 1 ? 'it there, or name another place' : 'them there, or name other places';
  return `${lines.join('\n')}\n  put ${what} in pipeline.yml or with --set`;
}
