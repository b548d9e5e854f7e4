// Two runs side by side: what of parameters, code, data and environment differs, each change once with the nodes it
// touches, and the metrics that both or one of them gave.
import { own } from '../model/own.ts';
import type { Reason } from '../model/reason.ts';
import { changes } from '../plan/changes.ts';
import type { Snapshot } from './snapshot.ts';

export interface Change extends Reason {
  readonly nodes: readonly string[];
}

export interface MetricLine {
  readonly node: string;
  readonly name: string;
  readonly before: number | null;
  readonly after: number | null;
}

export interface RunDiff {
  readonly params: readonly Change[];
  readonly code: readonly Change[];
  readonly data: readonly Change[];
  readonly environment: readonly Change[];
  /** Every metric of the nodes whose key differs. */
  readonly metrics: readonly MetricLine[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly same: number;
  /** Nodes whose key differs but whose making no journal tells. */
  readonly unknown: readonly string[];
}

type FolderDiff = Parameters<typeof changes>[2];

/** `folders` answers what differs inside of folder inputs, where the cache still knows both. */
export function diffRuns(before: Snapshot, after: Snapshot, folders: FolderDiff): RunDiff {
  const found = new Map<string, Change & { nodes: string[] }>();
  const metrics: MetricLine[] = [];
  const unknown: string[] = [];
  let same = 0;
  for (const [node, now] of after.nodes) {
    const old = before.nodes.get(node);
    if (!old) continue;
    if (old.key === now.key) {
      same++;
      continue;
    }
    for (const name of new Set([...Object.keys(old.metrics), ...Object.keys(now.metrics)]))
      metrics.push({ node, name, before: own(old.metrics, name) ?? null, after: own(now.metrics, name) ?? null });
    if (!old.ingredients || !now.ingredients) {
      unknown.push(node);
      continue;
    }
    for (const reason of changes(old.ingredients, now.ingredients, folders)) add(found, reason, node);
  }
  const ofKind = (...kinds: Reason['kind'][]) => [...found.values()].filter(({ kind }) => kinds.includes(kind));
  return {
    params: ofKind('param'),
    code: ofKind('code'),
    data: ofKind('input'),
    environment: ofKind('environment'),
    metrics,
    added: [...after.nodes.keys()].filter((node) => !before.nodes.has(node)),
    removed: [...before.nodes.keys()].filter((node) => !after.nodes.has(node)),
    same,
    unknown,
  };
}

function add(found: Map<string, Change & { nodes: string[] }>, reason: Reason, node: string): void {
  const id = JSON.stringify([reason.kind, reason.name, reason.before, reason.after, reason.isNull]);
  const known = found.get(id);
  if (known) known.nodes.push(node);
  else found.set(id, { ...reason, nodes: [node] });
}
