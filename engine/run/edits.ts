// Edits while a run goes on (`dag watch`). Nodes that an edit reaches are stopped, and neither they nor what depends on them begins
// any more. Once all of these are at rest they are due again, as they are now; nothing else is disturbed. What runs already and only
// depends on an edited node goes on: what that one makes may turn out to be the same.
// An edit that changes which nodes there are, or who waits for whom, ends the run instead: the next one begins with the new graph.
import { dependentOn, needsOf } from '../graph/order.ts';
import type { Node } from '../model/node.ts';
import { outputsOnDisk } from '../plan/plan.ts';
import { createBundles } from './bundles.ts';
import type { ActiveRun, Edit } from './context.ts';

/** A node that does not come to its safe point is killed then: what it would make is not wanted. */
const GRACE_MS = 10_000;

export function noteEdit(run: ActiveRun, edit: Edit): void {
  const { edit: before } = run;
  const reached = new Set([...(before?.reached ?? []), ...edit.reached]);
  const dependents = new Set([...(before?.dependents ?? []), ...edit.dependents]);
  const isTakenIn = (before?.isTakenIn ?? true) && run.mayBeEdited === true && haveSameShape(run.nodes, edit.nodes);
  run.edit = { ...edit, reached, dependents, isTakenIn };
  run.scheduler.hold(namesOf(run.edit));
  for (const name of reached) if (run.isBusy(name)) run.yielding.ask(name, 'its new code', GRACE_MS);
}

/** Makes the nodes of an edit due again, if there is one to be taken in and all of them are at rest. */
export function takeEditIn(run: ActiveRun): void {
  const { edit } = run;
  if (!edit?.isTakenIn) return;
  const all = namesOf(edit);
  if ([...all].some(run.isBusy)) return;
  const { pipeline, nodes, codes, tools } = edit;
  // What needs a node that failed and was not mended stays blocked.
  const blocked = dependentOn(new Set(run.outcome.failed.filter((name) => !all.has(name))), nodes);
  const names = new Set([...all].filter((name) => !blocked.has(name)));
  const selected = new Set(nodes.map(({ name }) => name));
  const outputsOf = (name: string) =>
    run.known.get(name) ?? (selected.has(name) ? undefined : outputsOnDisk({ pipeline, cache: run.cache }, name));
  Object.assign(run, { pipeline, nodes, codes, tools, edit: null });
  run.planContext = { ...run.planContext, codes, tools, outputsOf };
  run.bundles = createBundles(pipeline.root, run.places.code, codes, run.cache);
  let settled = 0;
  for (const list of Object.values(run.outcome)) {
    const kept = list.filter((name) => !names.has(name));
    settled += list.length - kept.length;
    list.splice(0, list.length);
    for (const name of kept) list.push(name);
  }
  for (const name of names) {
    run.known.delete(name);
    run.failures.delete(name);
    run.yielding.forget(name);
  }
  run.listener({ type: 'nodes-reopened', nodes: [...names], settled });
  run.scheduler.reopen(nodes.filter(({ name }) => names.has(name)));
}

export const isReached = ({ edit }: ActiveRun, { name }: Node) => edit?.reached.has(name) ?? false;
export const isHeld = ({ edit }: ActiveRun, { name }: Node) =>
  edit !== null && (edit.reached.has(name) || edit.dependents.has(name));

const namesOf = ({ reached, dependents }: Edit) => new Set([...reached, ...dependents]);

function haveSameShape(before: readonly Node[], after: readonly Node[]): boolean {
  const shape = (nodes: readonly Node[]) =>
    JSON.stringify(nodes.map((node) => [node.name, needsOf(node), node.resources]));
  return shape(before) === shape(after);
}
