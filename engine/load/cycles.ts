// Finds nodes that need each other and names the loop with the place of each reference.
import { needsByIndex } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import type { MentionOf } from './expand.ts';
import { type Diagnostics, describePlace } from './span.ts';

export function checkCycles(nodes: readonly Node[], mentionOf: MentionOf, sink: Diagnostics): void {
  const needs = needsByIndex(nodes);
  const state = new Uint8Array(nodes.length); // 0 new, 1 on the path, 2 done
  const seen = new Set<string>();
  for (let root = 0; root < nodes.length; root++) {
    if (state[root] !== 0) continue;
    const path = [root];
    const next = [0];
    state[root] = 1;
    while (path.length > 0) {
      const at = path[path.length - 1]!;
      const needed = needs[at]![next[next.length - 1]!++];
      if (needed === undefined) {
        state[at] = 2;
        path.pop();
        next.pop();
      } else if (state[needed] === 1) {
        // The path runs from consumer to producer; a loop is read the way that data would flow.
        const loop = path.slice(path.indexOf(needed)).reverse();
        reportLoop(loop, nodes, mentionOf, seen, sink);
      } else if (state[needed] === 0) {
        state[needed] = 1;
        path.push(needed);
        next.push(0);
      }
    }
  }
}

function reportLoop(
  loop: readonly number[],
  nodes: readonly Node[],
  mentionOf: MentionOf,
  seen: Set<string>,
  sink: Diagnostics,
): void {
  const first = loop.indexOf(loop.reduce((least, at) => Math.min(least, at)));
  const turned = [...loop.slice(first), ...loop.slice(0, first)].map((i) => nodes[i]!);
  const key = turned
    .map((node) => node.task)
    .sort()
    .join(' ');
  if (seen.has(key)) return;
  seen.add(key);
  const links = turned.map((consumer, i) => {
    const producer = turned[(i + turned.length - 1) % turned.length]!;
    return { consumer, mention: mentionOf(consumer.task, producer.task)! };
  });
  const names = [...turned, turned[0]!].map((node) => node.name).join(' → ');
  const hint = links
    .map(({ consumer, mention }) => `${consumer.name} needs ${mention.text} at ${describePlace(mention.span)}`)
    .join('\n');
  sink.report(links[0]!.mention.span, `these need each other in a loop: ${names}`, hint);
}
