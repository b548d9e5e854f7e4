// A node's verdict when all that it needs is done: fresh, restored from the store, or queued to run.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { StoreDamage } from '../../cache/index.ts';
import { needsOf } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import type { Reason } from '../model/reason.ts';
import type { NodeRecord, NodeState } from '../model/record.ts';
import { type Assessment, assess } from '../plan/assess.ts';
import { impossible } from '../schedule/slots.ts';
import { type ActiveRun, complete, completeFresh, failNode, type RunContext } from './context.ts';

/** The common case first: one pass that needs no scheduler, slots or look at the machine. Returns what is not fresh. */
export function completeFreshNodes(run: RunContext): Node[] {
  const selected = new Set(run.nodes.map(({ name }) => name));
  return run.nodes.filter((node) => {
    if (needsOf(node).some((name) => selected.has(name) && !run.known.has(name))) return true;
    const assessed = assess(node, run.planContext, run.forced.has(node.name));
    if (!assessed.ok || assessed.value.verdict.state !== 'fresh') return true;
    completeFresh(run, node, assessed.value.key, assessed.value.verdict.record.outputs);
    return false;
  });
}

/** Decides on a node that is due. `start` is called for one that has to run. */
export function decide(run: ActiveRun, node: Node, start: (assessment: Assessment) => void): void {
  const assessed = assess(node, run.planContext, run.forced.has(node.name));
  if (!assessed.ok) {
    const named = assessed.error.map((source) => source.path).join(', ');
    return failNode(run, node, { kind: 'input', message: `its input ${named} does not exist` });
  }
  const { verdict, key } = assessed.value;
  if (verdict.state === 'fresh') {
    completeFresh(run, node, key, verdict.record.outputs);
    return run.scheduler.done(node);
  }
  if (verdict.state === 'restore') {
    return run.track(node, restoreNode(run, node, assessed.value, verdict, start));
  }
  startIfPossible(run, node, assessed.value, start);
}

function startIfPossible(
  run: ActiveRun,
  node: Node,
  assessment: Assessment,
  start: (assessment: Assessment) => void,
): void {
  const never = impossible(node.resources, run.limits);
  if (never) return failNode(run, node, { kind: 'input', message: never });
  start(assessment);
}

async function restoreOutputs(run: ActiveRun, node: Node, record: NodeRecord): Promise<void> {
  for (const { name, path: file } of node.outputs) {
    const target = path.join(run.pipeline.root, file);
    mkdirSync(path.dirname(target), { recursive: true });
    await run.cache.restore(record.outputs[name]!, target);
  }
}

interface Restorable {
  readonly record: NodeRecord;
  readonly reasons: readonly Reason[];
}

async function restoreNode(
  run: ActiveRun,
  node: Node,
  assessment: Assessment,
  { record, reasons }: Restorable,
  start: (assessment: Assessment) => void,
): Promise<void> {
  const begunMs = performance.now();
  const { key, ingredients } = assessment;
  let stopped = false;
  try {
    await run.restoring(async () => {
      stopped = run.cancellation.stopped();
      if (!stopped) await restoreOutputs(run, node, record);
    });
    if (stopped) return;
  } catch (error) {
    if (!(error instanceof StoreDamage)) throw error;
    run.listener({ type: 'note', message: `${node.name}: ${error.message}: it runs again` });
    return startIfPossible(run, node, { ...assessment, verdict: { state: 'stale', reasons } }, start);
  }
  const state: NodeState = { key, ingredients, reasons, seconds: record.seconds, ranAt: record.ranAt };
  await run.cache.commit([{ space: 'nodes', id: node.name, value: state }]);
  run.outcome.restored.push(node.name);
  const seconds = (performance.now() - begunMs) / 1000;
  run.listener({ type: 'node-restored', node: node.name, key, ingredients, reasons, seconds });
  complete(run, node, record.outputs);
}
