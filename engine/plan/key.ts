// The action key of a node: SHA-256 over everything that its result depends on, and nothing else. The ingredients are kept
// beside the key, so that `why` can say which of them changed.
//
// In the key: code, the node's own parameters, each input's role, axis labels and content, declared environment variables
// and tool versions, output names, and the extensions of paths (a program may choose a format by them). A shell command is
// in the key as text, paths included. Not in the key: absolute paths, the machine, time, slots, `after`, other parameters.
import path from 'node:path';
import { hashValue, type Key } from '../../cache/index.ts';
import type { Ingredients } from '../model/ingredients.ts';
import type { Node } from '../model/node.ts';

const KEY_SCHEMA = 1;

export function keyOf(node: Node, ingredients: Ingredients): Key {
  const { code, params, environment } = ingredients;
  return hashValue({
    schema: KEY_SCHEMA,
    code: code.kind === 'module' ? { digest: code.digest, packages: { ...code.packages } } : { command: code.command },
    params: { ...params },
    inputs: node.inputs.map((role) => ({
      name: role.name,
      many: role.many,
      items: ingredients.inputs[role.name]!.map(({ axes, kind, digest, path: file }) => [
        axes,
        kind,
        digest,
        path.posix.extname(file),
      ]),
    })),
    environment: { ...environment },
    outputs: node.outputs.map(({ name, path: file }) => [name, path.posix.extname(file)]),
  }) as unknown as Key;
}

export function axesText(axes: Readonly<Record<string, string>>): string {
  return Object.entries(axes)
    .map(([axis, label]) => `${axis}=${label}`)
    .join(',');
}
