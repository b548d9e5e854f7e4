// Checks of paths across nodes: no two outputs on one another, and nothing reads another node's output by a literal path.
import type { Node } from '../model/node.ts';
import type { Producer } from './links.ts';
import { foldersAbove } from './paths.ts';
import { type Diagnostics, describePlace } from './span.ts';

interface Made {
  readonly node: Node;
  readonly output: string;
}

export function checkPaths(nodes: readonly Node[], producers: ReadonlyMap<string, Producer>, sink: Diagnostics): void {
  const made = new Map<string, Made>();
  const placeOf = ({ node, output }: Made) => producers.get(node.task)!.task.out.get(output)!.value;

  for (const node of nodes) {
    for (const { name: output, path } of node.outputs) {
      const now = { node, output };
      const before = made.get(path);
      if (!before) made.set(path, now);
      else
        sink.report(
          placeOf(now),
          `${describeMade(before)} and ${describeMade(now)} are the same path "${path}"`,
          collisionHint(before, now),
        );
    }
  }

  const folders = new Map<string, Made>();
  for (const [path, inner] of made) {
    for (const folder of foldersAbove(path)) {
      if (!folders.has(folder)) folders.set(folder, inner);
      const outer = made.get(folder);
      if (outer)
        sink.report(
          placeOf(inner),
          `${describeMade(inner)} ("${path}") lies inside ${describeMade(outer)} ("${folder}")`,
          `that one is at ${describePlace(placeOf(outer))}`,
        );
    }
  }

  const checked = new Set<string>();
  for (const node of nodes) {
    for (const role of node.inputs) {
      for (const { path, producer } of role.sources) {
        if (producer || checked.has(path)) continue;
        const found = literalTrouble(path, made, folders);
        if (found) sink.report(producers.get(node.task)!.task.in.get(role.name)!.value, found.message, found.hint);
        else checked.add(path);
      }
    }
  }
}

function literalTrouble(
  path: string,
  made: ReadonlyMap<string, Made>,
  folders: ReadonlyMap<string, Made>,
): { message: string; hint: string } | undefined {
  for (const outer of [path, ...foldersAbove(path)]) {
    const owner = made.get(outer);
    if (!owner) continue;
    const relation = outer === path ? 'is' : 'lies inside';
    const hint = `write "${referenceTo(owner)}${path.slice(outer.length)}" instead`;
    return { message: `"${path}" ${relation} ${describeMade(owner)}, and is read without saying so`, hint };
  }
  const inner = path === '.' ? made.values().next().value : folders.get(path);
  if (!inner) return undefined;
  return {
    message: `the input "${path}" contains ${describeMade(inner)}, so it would change with every run`,
    hint: 'read a folder that nothing writes to, or move the output',
  };
}

const describeMade = ({ node, output }: Made): string => `output "${output}" of ${node.name}`;

function referenceTo({ node, output }: Made): string {
  const picks = Object.entries(node.axes).map(([axis, label]) => `${axis}=${label}`);
  return `\${${node.task}.${output}${picks.length > 0 ? `[${picks.join(', ')}]` : ''}}`;
}

function collisionHint(a: Made, b: Made): string {
  if (a.node.task !== b.node.task || a.output !== b.output) return 'give each output a path of its own';
  const differing = Object.keys(a.node.axes).filter((axis) => a.node.axes[axis] !== b.node.axes[axis]);
  return `add ${differing.map((axis) => `\${${axis}}`).join(' and ')} to the path`;
}
