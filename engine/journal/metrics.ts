// The last value of each metric of a node, by the events of a run; and metrics as JSON.
import type { RunEvent } from '../model/event.ts';

export type Metrics = Readonly<Record<string, number>>;

export function createMetrics() {
  const byNode = new Map<string, Record<string, number>>();
  return {
    hear(event: RunEvent): void {
      if (event.type === 'node-started') byNode.delete(event.node);
      if (event.type !== 'node-metric') return;
      const known = byNode.get(event.node) ?? {};
      known[event.name] = event.value;
      byNode.set(event.node, known);
    },
    of: (node: string): Metrics => byNode.get(node) ?? {},
  };
}

/** JSON, but for NaN and infinities: a loss may diverge, and JSON's null would not say how. They are texts in it. */
export function jsonOfMetrics(value: unknown): string {
  return JSON.stringify(value, (_, item) => (Number.isFinite(item) || typeof item !== 'number' ? item : String(item)));
}
