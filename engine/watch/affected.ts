// Which nodes an edit reaches: pure. A comment in a task's file reaches none.
import type { Node } from '../model/node.ts';
import { dependencies } from '../plan/plan.ts';

export interface Version {
  readonly nodes: readonly Node[];
  /** Stands for each module's code and packages. */
  readonly codes: ReadonlyMap<string, string>;
}

/** Names of nodes of `before` that are gone, or whose code, parameters, wiring or outputs are others now. */
export function affectedBy(before: Version, after: Version): Set<string> {
  const now = new Map(after.nodes.map((node) => [node.name, definition(node, after.codes)]));
  return new Set(
    before.nodes.filter((node) => now.get(node.name) !== definition(node, before.codes)).map(({ name }) => name),
  );
}

/** Nodes that wait for these, directly or not; `nodes` in an order in which they can run. */
export function dependentOn(names: ReadonlySet<string>, nodes: readonly Node[]): Set<string> {
  const found = new Set<string>();
  for (const node of nodes) {
    if (dependencies(node).some((name) => names.has(name) || found.has(name))) found.add(node.name);
  }
  return found;
}

function definition({ action, params, inputs, outputs, env, tools }: Node, codes: Version['codes']): string {
  const code = action.kind === 'module' ? (codes.get(action.path) ?? 'does not build') : '';
  return JSON.stringify([action, code, params, inputs, outputs, env, tools]);
}
