// What a node asks of the machine, checked: cores, memory, GPUs, pools, and its limits in time and attempts.
import type { Resources } from '../graph/node.ts';
import { nearest } from './diagnostic.ts';
import type { Matrix, Point } from './matrix.ts';
import { describePlace, type Sink, type Span } from './place.ts';
import { type Compiled, compile, type TaskScope } from './scope.ts';
import { parseBytes, parseDuration } from './units.ts';
import { describe, type Value } from './values.ts';
import type { Entry, Tree } from './yaml.ts';

export interface Pool {
  readonly size: number;
  readonly span: Span;
}

const MACHINE = new Set(['cpu', 'memory', 'gpu']);

/** `pools:` of the file: names and sizes. */
export function readPools(
  entries: ReadonlyMap<string, Entry>,
  evaluate: (tree: Tree) => Value | undefined,
  sink: Sink,
): Map<string, Pool> {
  const pools = new Map<string, Pool>();
  for (const { key, keySpan, value } of entries.values()) {
    if (MACHINE.has(key))
      sink.report(keySpan, `"${key}" is counted by the engine and cannot be a pool`, 'limit it with --jobs or --gpus');
    const size = evaluate(value);
    if (size === undefined) continue;
    if (typeof size === 'number' && size > 0) pools.set(key, { size, span: keySpan });
    else sink.report(value, `the size of pool "${key}" must be a number above 0, and is ${describe(size)}`);
  }
  return pools;
}

/** The same object for every point when nothing varies. */
export function compileResources(scope: TaskScope, pools: ReadonlyMap<string, Pool>): (point: Point) => Resources {
  const { sink } = scope;
  const field = <T>(
    name: string,
    absent: T,
    read: (value: Value, span: Span) => T | undefined,
  ): ((point: Point) => T) => {
    const entry = scope.task.resources.get(name);
    if (!entry) return () => absent;
    const compiled = compile(entry.value, scope, false);
    return onceUnlessVaries(compiled, scope.matrix, (value) =>
      value === undefined ? absent : (read(value, entry.value) ?? absent),
    );
  };
  const cpu = field('cpu', 1, (value, span) =>
    typeof value === 'number' && value > 0
      ? value
      : sink.report(span, `cpu must be a number above 0, and is ${describe(value)}`),
  );
  const memory = field('memory', 0, (value, span) => {
    const bytes = typeof value === 'string' ? parseBytes(value) : undefined;
    return (
      bytes ??
      sink.report(span, `memory must be an amount with its unit, and is ${describe(value)}`, 'e.g. 16GiB or 512MB')
    );
  });
  const gpu = field('gpu', 0, (value, span) =>
    typeof value === 'number' && value >= 0 && (value < 1 || Number.isInteger(value))
      ? value
      : sink.report(span, `gpu must be a whole number, or a fraction below 1 to share one, and is ${describe(value)}`),
  );
  const optional = field('gpu_optional', false, (value, span) =>
    typeof value === 'boolean'
      ? value
      : sink.report(span, `gpu_optional must be true or false, and is ${describe(value)}`),
  );
  const shares = compilePools(scope, pools);
  const at = (point: Point): Resources => ({
    cpu: cpu(point),
    memoryBytes: memory(point),
    gpu: gpu(point),
    gpuOptional: optional(point),
    pools: shares(point),
  });
  if (scope.task.resources.size > 0) return at;
  const common = at([]);
  return () => common;
}

function compilePools(
  scope: TaskScope,
  pools: ReadonlyMap<string, Pool>,
): (point: Point) => Readonly<Record<string, number>> {
  const tree = scope.task.resources.get('pools')?.value;
  const none = {};
  if (!tree || (tree.kind === 'scalar' && tree.value === null)) return () => none;
  if (tree.kind !== 'map') {
    scope.sink.report(tree, 'pools: must map pools to amounts, e.g. { disk: 1 }');
    return () => none;
  }
  const shares = [...tree.entries.values()].map((entry) => ({
    name: entry.key,
    at: compileShare(entry, scope, pools),
  }));
  return (point) => Object.fromEntries(shares.map(({ name, at }) => [name, at(point)]));
}

function compileShare(entry: Entry, scope: TaskScope, pools: ReadonlyMap<string, Pool>): (point: Point) => number {
  const pool = pools.get(entry.key);
  if (!pool) {
    const near = nearest(entry.key, pools.keys());
    const hint = near === undefined ? `declare it at the top: pools: { ${entry.key}: 1 }` : `did you mean "${near}"?`;
    scope.sink.report(entry.keySpan, `there is no pool "${entry.key}"`, hint);
    return () => 0;
  }
  return onceUnlessVaries(compile(entry.value, scope, false), scope.matrix, (amount) => {
    if (amount === undefined) return 0;
    const wrong = `task "${scope.task.name}" asks for ${String(amount)} of pool "${entry.key}", which has ${pool.size}`;
    if (typeof amount !== 'number' || amount < 0)
      scope.sink.report(entry.value, `an amount of a pool is a number from 0, and this is ${describe(amount)}`);
    else if (amount > pool.size)
      scope.sink.report(
        entry.value,
        wrong,
        `lower it here, or raise pools.${entry.key} at ${describePlace(pool.span)}`,
      );
    else return amount;
    return 0;
  });
}

function onceUnlessVaries<T>(
  compiled: Compiled,
  matrix: Matrix,
  read: (value: Value | undefined) => T,
): (point: Point) => T {
  if (compiled.varies) return (point) => read(compiled.at(point));
  const once = read(compiled.at(matrix.points[0] ?? []));
  return () => once;
}

/** `retries:`, `timeout:` and `duration:` of a task; the same for all of its nodes unless they name an axis. */
export function compileLimits(
  scope: TaskScope,
): (point: Point) => { retries: number; timeoutMs: number | null; durationSeconds: number | null } {
  const { task, sink } = scope;
  const field = <T>(
    tree: Tree | undefined,
    absent: T,
    read: (value: Value, span: Span) => T | undefined,
  ): ((point: Point) => T) => {
    if (!tree || (tree.kind === 'scalar' && tree.value === null)) return () => absent;
    return onceUnlessVaries(compile(tree, scope, false), scope.matrix, (value) =>
      value === undefined ? absent : (read(value, tree) ?? absent),
    );
  };
  const milliseconds = (key: string) => (value: Value, span: Span) => {
    const read = typeof value === 'string' ? parseDuration(value) : undefined;
    return (
      read || sink.report(span, `${key} must be a time with its unit, and is ${describe(value)}`, 'e.g. 90s, 15m or 2h')
    );
  };
  const retries = field(task.retries, 0, (value, span) =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0
      ? value
      : sink.report(span, `retries must be a whole number from 0, and is ${describe(value)}`),
  );
  const timeout = field<number | null>(task.timeout, null, milliseconds('timeout'));
  const duration = field<number | null>(task.duration, null, milliseconds('duration'));
  return (point) => {
    const durationMs = duration(point);
    return {
      retries: retries(point),
      timeoutMs: timeout(point),
      durationSeconds: durationMs === null ? null : durationMs / 1000,
    };
  };
}
