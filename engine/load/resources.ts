// What a node asks of the machine, checked: cores, memory, GPUs, and its limits in time and attempts.
import type { Resources } from '../model/resources.ts';
import { parseBytes, parseDuration } from '../text/units.ts';
import type { Point } from './matrix.ts';
import { compileShares, type Pool } from './pools.ts';
import { compileChecked, type TaskScope } from './scope.ts';
import type { Span } from './span.ts';
import { describe, type Value } from './values.ts';

/** Without `resources:` a node takes one core. */
const DEFAULT: Resources = { cpu: 1, memoryBytes: 0, gpu: 0, gpuOptional: false, preemptible: false, pools: {} };
const defaultResources = () => DEFAULT;

export function compileResources(scope: TaskScope, pools: ReadonlyMap<string, Pool>): (point: Point) => Resources {
  const { task, sink } = scope;
  if (task.resources.size === 0) return defaultResources;
  const field = <T>(name: string, absent: T, read: (value: Value) => T | undefined, rule: string, example?: string) => {
    const check = (value: Value, span: Span) =>
      read(value) ?? sink.report(span, `${name} must be ${rule}, and is ${describe(value)}`, example);
    return compileChecked(task.resources.get(name)?.value, absent, scope, check);
  };
  const cpu = field('cpu', 1, positive, 'a number above 0');
  const memory = field('memory', 0, bytes, 'an amount with its unit', 'e.g. 16GiB or 512MB');
  const gpu = field('gpu', 0, gpus, 'a whole number, or a fraction below 1 to share one');
  const optional = field('gpu_optional', false, truth, 'true or false');
  const preemptible = field('preemptible', false, turn, 'true, false, or its shortest turn', 'e.g. 30m');
  if (task.resources.has('preemptible') && task.action?.kind === 'run') {
    const { keySpan } = task.resources.get('preemptible')!;
    sink.report(
      keySpan,
      'a shell command cannot be preemptible: it has no scratch folder to keep its progress in',
      'make it a module task (use:)',
    );
  }
  const shares = compileShares(scope, pools);
  return (point) => ({
    cpu: cpu(point),
    memoryBytes: memory(point),
    gpu: gpu(point),
    gpuOptional: optional(point),
    preemptible: preemptible(point),
    pools: shares(point),
  });
}

const positive = (value: Value) => (typeof value === 'number' && value > 0 ? value : undefined);
const bytes = (value: Value) => (typeof value === 'string' ? parseBytes(value) : undefined);
const truth = (value: Value) => (typeof value === 'boolean' ? value : undefined);
const gpus = (value: Value) =>
  typeof value === 'number' && value >= 0 && (value < 1 || Number.isInteger(value)) ? value : undefined;
const turn = (value: Value) => {
  const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined;
  return milliseconds ? milliseconds / 1000 : truth(value);
};
const attempts = (value: Value) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
const milliseconds = (value: Value) => (typeof value === 'string' ? parseDuration(value) || undefined : undefined);

export interface Limits {
  readonly retries: number;
  readonly timeoutMs: number | null;
  readonly durationSeconds: number | null;
}

const UNLIMITED: Limits = { retries: 0, timeoutMs: null, durationSeconds: null };
const noLimits = () => UNLIMITED;

/** `retries:`, `timeout:` and `duration:` of a task. */
export function compileLimits(scope: TaskScope): (point: Point) => Limits {
  const { task, sink } = scope;
  if (!task.retries && !task.timeout && !task.duration) return noLimits;
  const time = (key: 'timeout' | 'duration') =>
    compileChecked<number | null>(task[key], null, scope, (value, span) => {
      const wrong = `${key} must be a time with its unit, and is ${describe(value)}`;
      return milliseconds(value) ?? sink.report(span, wrong, 'e.g. 90s, 15m or 2h');
    });
  const retries = compileChecked(task.retries, 0, scope, (value, span) => {
    const wrong = `retries must be a whole number from 0, and is ${describe(value)}`;
    return attempts(value) ?? sink.report(span, wrong);
  });
  const timeout = time('timeout');
  const duration = time('duration');
  return (point) => {
    const durationMs = duration(point);
    const durationSeconds = durationMs === null ? null : durationMs / 1000;
    return { retries: retries(point), timeoutMs: timeout(point), durationSeconds };
  };
}
