// Named pools: their sizes at the top of the file, and what a node takes of them.

import { nearest } from '../text/nearest.ts';
import type { Point } from './matrix.ts';
import { compileChecked, type TaskScope } from './scope.ts';
import { type Diagnostics, describePlace, type Span } from './span.ts';
import { bare, describe, type Value } from './values.ts';
import type { MapEntry, Tree } from './yaml.ts';

export interface Pool {
  readonly size: number;
  readonly span: Span;
}
type Shares = Readonly<Record<string, number>>;

const MACHINE = new Set(['cpu', 'memory', 'gpu']);

/** `pools:` of the file: names and sizes. */
export function readPools(
  entries: ReadonlyMap<string, MapEntry>,
  evaluate: (tree: Tree) => Value | undefined,
  sink: Diagnostics,
): Map<string, Pool> {
  const pools = new Map<string, Pool>();
  for (const { key, keySpan, value } of entries.values()) {
    if (MACHINE.has(key)) {
      const hint = 'limit it with --jobs or --gpus';
      sink.report(keySpan, `"${key}" is counted by the engine and cannot be a pool`, hint);
    }
    const found = evaluate(value);
    if (found === undefined) continue;
    const size = bare(found);
    if (typeof size === 'number' && size > 0) pools.set(key, { size, span: keySpan });
    else sink.report(value, `the size of pool "${key}" must be a number above 0, and is ${describe(size)}`);
  }
  return pools;
}

const NO_SHARES: Shares = {};
const noShares = () => NO_SHARES;

/** `resources.pools:` of a task. */
export function compileShares(scope: TaskScope, pools: ReadonlyMap<string, Pool>): (point: Point) => Shares {
  const tree = scope.task.resources.get('pools')?.value;
  if (!tree || (tree.kind === 'scalar' && tree.value === null)) return noShares;
  if (tree.kind !== 'map') {
    scope.sink.report(tree, 'pools: must map pools to amounts, e.g. { disk: 1 }');
    return noShares;
  }
  const shares = [...tree.entries.values()].map((entry) => ({
    name: entry.key,
    at: compileShare(entry, scope, pools),
  }));
  return (point) => Object.fromEntries(shares.map(({ name, at }) => [name, at(point)]));
}

function compileShare(entry: MapEntry, scope: TaskScope, pools: ReadonlyMap<string, Pool>): (point: Point) => number {
  const { sink, task } = scope;
  const { key, keySpan, value: tree } = entry;
  const pool = pools.get(key);
  if (!pool) {
    const near = nearest(key, pools.keys());
    const hint = near === undefined ? `declare it at the top: pools: { ${key}: 1 }` : `did you mean "${near}"?`;
    sink.report(keySpan, `there is no pool "${key}"`, hint);
    return () => 0;
  }
  return compileChecked(tree, 0, scope, (amount, span) => {
    if (typeof amount !== 'number' || amount < 0)
      return sink.report(span, `an amount of a pool must be a number from 0, and is ${describe(amount)}`);
    if (amount <= pool.size) return amount;
    const wrong = `task "${task.name}" asks for ${amount} of pool "${key}", which has ${pool.size}`;
    return sink.report(span, wrong, `lower it here, or raise pools.${key} at ${describePlace(pool.span)}`);
  });
}
