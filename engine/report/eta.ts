// How long a run still takes: the largest of three lower bounds, which no schedule beats and a good one comes near to:
// the longest remaining path, the remaining work over the cores, and over the GPUs.
import type { Capacity } from '../model/resources.ts';
import { shortOf } from '../schedule/work.ts';

export interface Expected {
  readonly name: string;
  readonly task: string;
  /** What it last took, or declares. */
  readonly seconds: number | null;
  readonly cores: number;
  readonly gpus: number;
  readonly needs: readonly string[];
}

export interface Estimator {
  /** What a node usually takes: as recorded or declared, else the mean of its task's nodes so far. */
  usual(node: string): number | null;
  /** `ranSeconds`: what it ran before. */
  started(node: string, atMs: number, ranSeconds: number): void;
  /** It gave way: it waits again, and has so much less to do. */
  yielded(node: string, seconds: number): void;
  /** It is to be done anew. */
  reopened(node: string): void;
  /** `seconds`: what it took, where it ran. */
  settled(node: string, seconds: number | null): void;
  /** Seconds; null while too few durations are known to say; 0 where all that is open has overrun its usual time, so that nobody knows. */
  left(nowMs: number): number | null;
}

/** An estimate needs a duration for at least this share of what is left. */
const ENOUGH = 0.5;
/** A node that overran its usual time is taken to be nearly done, not done. */
const NEARLY = 0.05;

/** `nodes` in an order in which they can run. */
export function createEstimator(nodes: readonly Expected[], capacity: Pick<Capacity, 'cores' | 'gpus'>): Estimator {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const open = new Set(byName.keys());
  const startedMs = new Map<string, number>();
  const ranSeconds = new Map<string, number>();
  const seen = new Map<string, { seconds: number; count: number }>();

  const usual = (name: string): number | null => {
    const node = byName.get(name);
    if (!node) return null;
    const mean = seen.get(node.task);
    return node.seconds ?? (mean ? mean.seconds / mean.count : null);
  };
  const ranBy = (name: string, nowMs: number) => {
    const begun = startedMs.get(name);
    return (ranSeconds.get(name) ?? 0) + (begun === undefined ? 0 : (nowMs - begun) / 1000);
  };
  const remaining = (name: string, otherwise: number, nowMs: number) => {
    const whole = usual(name) ?? otherwise;
    const ran = ranBy(name, nowMs);
    return ran === 0 ? whole : Math.max(whole - ran, whole * NEARLY);
  };
  const hasOverrun = (name: string, nowMs: number) =>
    startedMs.has(name) && ranBy(name, nowMs) >= (usual(name) ?? Number.POSITIVE_INFINITY);

  return {
    usual,
    started(node, atMs, ran) {
      startedMs.set(node, atMs);
      ranSeconds.set(node, ran);
    },
    yielded(node, seconds) {
      startedMs.delete(node);
      ranSeconds.set(node, (ranSeconds.get(node) ?? 0) + seconds);
    },
    reopened(node) {
      startedMs.delete(node);
      ranSeconds.delete(node);
      if (byName.has(node)) open.add(node);
    },
    settled(node, seconds) {
      open.delete(node);
      startedMs.delete(node);
      const task = byName.get(node)?.task;
      if (task === undefined || seconds === null) return;
      const before = seen.get(task) ?? { seconds: 0, count: 0 };
      seen.set(task, { seconds: before.seconds + seconds, count: before.count + 1 });
    },
    left(nowMs) {
      const known = [...open].map(usual).filter((seconds) => seconds !== null);
      if (open.size === 0) return 0;
      if (known.length < open.size * ENOUGH) return null;
      if ([...open].every((name) => hasOverrun(name, nowMs))) return 0;
      const short = shortOf(known);
      const paths = new Map<string, number>();
      let [path, coreSeconds, gpuSeconds] = [0, 0, 0];
      for (const { name, needs, cores, gpus } of nodes) {
        if (!open.has(name)) continue;
        const seconds = remaining(name, short, nowMs);
        const end = seconds + needs.reduce((most, need) => Math.max(most, paths.get(need) ?? 0), 0);
        paths.set(name, end);
        path = Math.max(path, end);
        coreSeconds += seconds * Math.min(cores, capacity.cores);
        gpuSeconds += seconds * Math.min(gpus, capacity.gpus.length);
      }
      return Math.max(path, coreSeconds / capacity.cores, gpuSeconds / Math.max(1, capacity.gpus.length));
    },
  };
}
