// pipeline.yml to a validated pipeline of nodes, or everything that is wrong with it. Reads the file and looks whether
// modules exist; otherwise pure. Follow `loadText` downwards: each line is one file beside this one.
import { readFileSync } from 'node:fs';
import { select } from '../graph/select.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Pipeline } from '../model/node.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { suggest } from '../text/nearest.ts';
import { checkShape, type FileSpec } from './check.ts';
import { checkCycles } from './cycles.ts';
import { expandNodes, expandProducer } from './expand.ts';
import type { Producer } from './links.ts';
import { expandMatrix } from './matrix.ts';
import { checkModules } from './modules.ts';
import { createNames } from './names.ts';
import { checkPaths } from './outputs.ts';
import { applySetting, createParams, overlay } from './params.ts';
import { readPools } from './pools.ts';
import { createDiagnostics, type Diagnostics, type Origin } from './span.ts';
import { type MapTree, parseYaml, type ScalarTree } from './yaml.ts';

export interface LoadOptions {
  /** Absolute path of the folder that paths are relative to. */
  readonly root: string;
  /** Absolute path of pipeline.yml. */
  readonly file: string;
  /** Overrides `profile:` of the file. */
  readonly profile?: string;
  /** `a.b=c`, c is YAML; a later one wins. */
  readonly set?: readonly string[];
}

export function loadPipeline(options: LoadOptions): Result<Pipeline, readonly Diagnostic[]> {
  let text: string;
  try {
    text = readFileSync(options.file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const message = missing ? 'there is no such file' : `cannot be read: ${(error as Error).message}`;
    const hint = 'go to the folder of a pipeline.yml, name one with --file, or make one with `dag init`';
    return fail([{ file: options.file, line: 0, column: 0, message, hint }]);
  }
  return loadText(text, options);
}

/** The same for a text that is not, or not yet, in the file. */
export function loadText(text: string, options: LoadOptions): Result<Pipeline, readonly Diagnostic[]> {
  const { root, file } = options;
  const sink = createDiagnostics();
  const origin: Origin = { file, text: text.startsWith('\uFEFF') ? ` ${text.slice(1)}` : text, placed: true };
  const tree = parseYaml(origin, sink);
  if (!tree && sink.diagnostics().length === 0)
    sink.report({ origin, start: 0, end: 1 }, 'the file is empty', 'write tasks:, or start from `dag init`');
  const spec = tree && checkShape(tree, sink);
  if (!spec) return fail(sink.diagnostics());

  const names = createNames(spec, sink);
  const profile = chooseProfile(spec, options, sink);
  const params = createParams(effectiveParams(spec, profile, options, origin, sink), names, sink);
  params.checkAll();
  const pools = readPools(spec.pools, params.evaluate, sink);
  checkModules(spec.tasks.values(), root, sink);

  const producers = new Map<string, Producer>();
  let points = 0;
  for (const task of spec.tasks.values()) {
    const matrix = expandMatrix(task, params, points, sink);
    points += matrix?.points.length ?? 0;
    if (matrix) producers.set(task.name, expandProducer({ task, matrix, params, names, sink }));
  }
  const { nodes, mentionOf } = expandNodes(producers, pools, root);
  checkPaths(nodes, producers, sink);
  checkCycles(nodes, mentionOf, sink);

  const pipeline: Pipeline = {
    root,
    file,
    profile,
    nodes,
    defaults: nodes.map((node) => node.name),
    pools: Object.fromEntries([...pools].map(([name, pool]) => [name, pool.size])),
    warnings: sink.warnings(),
  };
  // A default that names a node of a task that failed to expand would be a second message about one mistake.
  const selectors = (profile === null ? undefined : spec.profiles.get(profile)?.selectors) ?? spec.selectors;
  const defaults = producers.size === spec.tasks.size ? chooseDefaults(selectors, pipeline, producers, sink) : [];
  const diagnostics = sink.diagnostics();
  return diagnostics.length > 0 ? fail(diagnostics) : ok({ ...pipeline, defaults });
}

function chooseProfile(spec: FileSpec, options: LoadOptions, sink: Diagnostics): string | null {
  const wanted = options.profile ?? (spec.profile ? String(spec.profile.value) : null);
  if (wanted === null || spec.profiles.has(wanted)) return wanted;
  const flag: Origin = { file: `--profile ${wanted}`, text: '', placed: false };
  const span = options.profile === undefined && spec.profile ? spec.profile : { origin: flag, start: 0, end: 0 };
  sink.report(span, `there is no profile "${wanted}"`, suggest(wanted, spec.profiles.keys()) ?? 'the file has none');
  return null;
}

function effectiveParams(
  spec: FileSpec,
  profile: string | null,
  options: LoadOptions,
  origin: Origin,
  sink: Diagnostics,
): MapTree {
  let params: MapTree = spec.params ?? { kind: 'map', origin, start: 0, end: 0, entries: new Map() };
  const over = profile === null ? undefined : spec.profiles.get(profile)?.params;
  if (over) params = overlay(params, over) as MapTree;
  for (const setting of options.set ?? []) params = applySetting(params, setting, sink);
  return params;
}

function chooseDefaults(
  selectors: readonly ScalarTree[],
  pipeline: Pipeline,
  producers: ReadonlyMap<string, Producer>,
  sink: Diagnostics,
): readonly string[] {
  if (selectors.length === 0) return pipeline.defaults;
  const chosen = new Set<string>();
  for (const tree of selectors) {
    const selector = String(tree.value);
    // A task whose matrix is empty has no nodes and is no mistake.
    if (producers.get(selector)?.names.length === 0) continue;
    const selected = select(pipeline, [selector], { only: true });
    if (selected.ok) for (const name of selected.value) chosen.add(name);
    else sink.report(tree, selected.error.message, selected.error.hint);
  }
  return pipeline.defaults.filter((name) => chosen.has(name));
}
