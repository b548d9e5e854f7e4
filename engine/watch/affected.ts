// Which nodes an edit reaches: pure. A comment in a task's file reaches none.
import type { Node } from '../model/node.ts';

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

function definition({ action, params, inputs, outputs, env, tools }: Node, codes: Version['codes']): string {
  const code = action.kind === 'module' ? (codes.get(action.path) ?? 'does not build') : '';
  return JSON.stringify([action, code, params, inputs, outputs, env, tools]);
}
