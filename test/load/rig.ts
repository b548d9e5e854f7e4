// Pipelines from text, for the tests of the specification: loaded as from /project/pipeline.yml, or the printed errors.
import { formatDiagnostics } from '../../engine/load/diagnostic.ts';
import { type LoadOptions, loadText } from '../../engine/load/load.ts';
import type { Node, Pipeline } from '../../engine/model/node.ts';

export const ROOT = '/project';

export function load(text: string, options: Partial<LoadOptions> = {}): Pipeline {
  const loaded = loadText(text, { root: ROOT, file: `${ROOT}/pipeline.yml`, ...options });
  if (loaded.ok) return loaded.value;
  throw new Error(formatDiagnostics(loaded.error, () => text, { color: false, cwd: ROOT }));
}

export function node(pipeline: Pipeline, name: string): Node {
  const found = pipeline.nodes.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no node ${name} among ${pipeline.nodes.map((candidate) => candidate.name).join(', ')}`);
  return found;
}

/** The paths of an input's sources; a fan-in as an array, a single one as a string. */
export function paths(pipeline: Pipeline, name: string, input: string): string | string[] {
  const role = node(pipeline, name).inputs.find((candidate) => candidate.name === input)!;
  const all = role.sources.map((source) => source.path);
  return role.many ? all : all.join();
}
