// One node, from its slots to its record: claimed, run with its tries, its outputs saved, and told once all is durable.
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Key } from '../../cache/index.ts';
import { confirmRuns } from '../exec/eachMarkers.ts';
import type { EachMessage, NodeMessage } from '../exec/protocol.ts';
import type { Failure } from '../model/event.ts';
import type { Node } from '../model/node.ts';
import type { Allotment } from '../model/resources.ts';
import { fail } from '../model/result.ts';
import type { Assessment } from '../plan/assess.ts';
import { recordOf } from '../state/records.ts';
import { type Earlier, earlierTurns, forgetTurns, noteTurn } from '../state/turns.ts';
import { type ActiveRun, complete, failNode, type Outputs } from './context.ts';
import { isHeld, isReached } from './edits.ts';
import { emptyStaging, prepareWorkplace, relay, runProcess, type Workplace } from './launch.ts';
import { clearOutputs, type Finished, record, removeFolder, saveOutputs } from './publish.ts';
import { eachJobOf } from './publishEach.ts';
import { keepLog, NO_TRIES, nextTry, waitUnlessStopped } from './retry.ts';

/** `again` is called when another run on the same cache had the key: the verdict is due once more. */
export async function executeNode(
  run: ActiveRun,
  node: Node,
  allotment: Allotment,
  assessment: Assessment,
  again: () => void,
): Promise<void> {
  const { key } = assessment;
  const twin = run.active.get(key);
  if (twin) {
    // The same work for other paths: it gets what that one makes, and the two never write into one scratch folder.
    run.scheduler.release(node, allotment, run.now());
    await twin;
    return run.cancellation.stopped() ? undefined : again();
  }
  const over = activate(run, key);
  return executeAlone(run, node, allotment, assessment, again, over).catch((error) => {
    over();
    throw error;
  });
}

/** `over` is called when the key is free again. */
async function executeAlone(
  run: ActiveRun,
  node: Node,
  allotment: Allotment,
  assessment: Assessment,
  again: () => void,
  over: () => void,
): Promise<void> {
  const claim = await run.keyLocks.take(assessment.key);
  if (!claim.taken) {
    over();
    run.scheduler.release(node, allotment, run.now());
    const { pid, host } = claim.owner;
    run.listener({ type: 'note', message: `${node.name}: waiting for process ${pid} on ${host}, which runs the same` });
    const given = new AbortController();
    const forget = run.yielding.cancellationFor(node.name).onStop(() => given.abort());
    await claim.freed(given.signal).finally(forget);
    return given.signal.aborted ? undefined : again();
  }
  const release = () => {
    claim.release();
    over();
  };
  if (isHeld(run, node)) {
    release();
    return run.scheduler.release(node, allotment, run.now());
  }
  if (doneMeanwhile(run, node, assessment)) {
    release();
    run.scheduler.release(node, allotment, run.now());
    return again();
  }
  const finished = await runToEnd(run, node, allotment, assessment);
  const to = run.yielding.askedFor(node.name);
  run.yielding.over(node.name);
  if (finished.failure?.kind === 'interrupted') noteTurns(finished);
  if (finished.failure?.kind === 'interrupted' && to !== null && !run.cancellation.stopped()) {
    release();
    return giveWay(run, finished, allotment, isReached(run, node) ? null : to);
  }
  const saved = finished.failure
    ? { ok: false as const, error: finished.failure }
    : await saveOutputs(run.pipeline.root, run.cache, finished).catch((error) => fail(unsaved(error, finished.log)));
  removeFolder(finished.workplace.staging);
  // GPUs stay taken until the outcome is told, so that no instant of the journal shows two nodes on one.
  const late = saved.ok && allotment.gpus.length > 0;
  if (!late) run.scheduler.release(node, allotment, run.now());
  if (!saved.ok) {
    release();
    if (node.action.kind === 'shell') clearOutputs(run.pipeline.root, run.cache, node);
    return failNode(run, node, saved.error, finished.seconds);
  }
  // Dependents may start on bytes that are in place; the outcome is told once it is durable.
  complete(run, node, saved.value);
  run.track(
    node,
    recordResult(run, finished, saved.value)
      .catch((error) => failNode(run, node, unsaved(error, finished.log), finished.seconds))
      .finally(() => {
        release();
        if (late) run.scheduler.release(node, allotment, run.now());
      }),
  );
}

/** Until what is returned is called, others with this key wait. */
function activate(run: ActiveRun, key: Key): () => void {
  let over = () => {};
  run.active.set(
    key,
    new Promise((resolve) => {
      over = () => {
        run.active.delete(key);
        resolve();
      };
    }),
  );
  return over;
}

/** How long it has run by now, for the turns to come: none of it where there is nothing to go on from. */
function noteTurns({ node, workplace, seconds, warnings, earlier }: Ended): void {
  if (node.resources.preemptible === false || !existsSync(workplace.scratch)) return;
  noteTurn(workplace.scratch, { turns: earlier.turns + 1, seconds, warnings });
}

/** It waits for slots again, and goes on from what it left in scratch. */
function giveWay(
  run: ActiveRun,
  { node, workplace, seconds, earlier }: Ended,
  allotment: Allotment,
  to: string | null,
): void {
  removeFolder(workplace.staging);
  if (node.action.kind === 'shell') clearOutputs(run.pipeline.root, run.cache, node);
  keepLog(workplace.log, 'turn', earlier.turns + 1);
  run.listener({ type: 'node-yielded', node: node.name, to, seconds: seconds - earlier.seconds });
  run.scheduler.release(node, allotment, run.now());
  run.scheduler.enqueue(node, run.now(), seconds);
}

/** Between our verdict and our claim another run, or another node of this one, may have come to its end with this key. */
function doneMeanwhile(run: ActiveRun, node: Node, { key }: Assessment): boolean {
  if (run.forced.has(node.name)) return false;
  if (run.keyLocks.areShared) run.cache.refresh();
  const record = recordOf(run.cache, key);
  return record !== undefined && Object.values(record.outputs).every((entry) => run.cache.has(entry));
}

/** The disk is full, or may not be written: one message, nothing recorded. */
function unsaved(error: unknown, log: string): Failure {
  const message = `its outputs could not be stored: ${(error as Error).message}`;
  return { kind: 'task', cause: 'infrastructure', message, hint: 'free space or permit writing, then run again', log };
}

type Ended = Finished & {
  readonly workplace: Workplace;
  readonly failure: Failure | null;
  /** `seconds` and `warnings` of the whole have these in them. */
  readonly earlier: Earlier;
};

async function runToEnd(run: ActiveRun, node: Node, allotment: Allotment, assessment: Assessment): Promise<Ended> {
  const { root } = run.pipeline;
  const { key, ingredients, verdict } = assessment;
  const startMs = performance.now();
  let anew = run.forced.has(node.name) && !run.yielding.hasBegun(node.name);
  const begunMs = run.yielding.begun(node.name);
  const reasons = verdict.state === 'fresh' ? [] : verdict.reasons;
  const workplace = prepareWorkplace(root, run.places, run.runId, node, assessment);
  const log = path.relative(root, workplace.log);
  if (anew) forgetTurns(workplace.scratch);
  const earlier = earlierTurns(node, workplace.scratch);
  const ranSeconds = earlier.turns > 0 ? { ranSeconds: earlier.seconds } : {};
  run.listener({ type: 'node-started', node: node.name, key, ingredients, reasons, allotment, log, ...ranSeconds });

  const warnings: string[] = [];
  const each: EachMessage[] = [];
  const hear = (message: NodeMessage) => {
    if (message.type === 'each') each.push(message);
    if (message.type === 'warn') warnings.push(message.message);
    relay(node, message, run.listener);
  };
  const ended = await runWithTries(run, node, workplace, () => {
    warnings.length = 0;
    each.length = 0;
    for (const message of codeWarnings(run, node)) hear({ type: 'warn', message });
    const eachJob = run.executor.sharesHost ? eachJobOf(root, run.places, run.cache, node, assessment, anew) : null;
    anew = false; // What the first try finished is new enough for the second.
    if (node.action.kind === 'shell') clearOutputs(root, run.cache, node);
    else emptyStaging(workplace);
    return runProcess({
      root,
      node,
      allotment,
      workplace,
      bundles: run.bundles,
      executor: run.executor,
      cancellation: run.yielding.cancellationFor(node.name),
      each: eachJob,
      whenIndexed: () => run.cache.commit([]),
      onMessage: hear,
    });
  });
  return {
    node,
    assessment,
    written: workplace.written,
    each,
    reasons,
    seconds: earlier.seconds + (performance.now() - startMs) / 1000,
    begunMs,
    warnings: [...new Set([...earlier.warnings, ...warnings])],
    ranAt: new Date().toISOString(),
    log: workplace.log,
    workplace,
    earlier,
    failure: ended && (run.cancellation.stopped() || isReached(run, node)) ? { ...ended, kind: 'interrupted' } : ended,
  };
}

/** Of code that the node's key does not depend on. */
function codeWarnings({ codes }: ActiveRun, { action }: Node): readonly string[] {
  return (action.kind === 'module' ? codes.get(action.path)?.warnings : undefined) ?? [];
}

async function runWithTries(
  run: ActiveRun,
  node: Node,
  workplace: Workplace,
  attempt: () => Promise<Failure | null>,
): Promise<Failure | null> {
  let tries = NO_TRIES;
  for (let number = 1; ; number++) {
    const failure = await attempt();
    const next = failure && !run.cancellation.stopped() && !isReached(run, node) ? nextTry(node, failure, tries) : null;
    if (!failure || !next) return failure;
    run.listener({ type: 'node-retried', node: node.name, failure, attempt: number, waitSeconds: next.waitSeconds });
    tries = next.tries;
    keepLog(workplace.log, 'try', number);
    await waitUnlessStopped(next.waitSeconds, run.yielding.cancellationFor(node.name));
    if (run.cancellation.stopped() || isReached(run, node)) return failure;
  }
}

async function recordResult(run: ActiveRun, finished: Ended, outputs: Outputs): Promise<void> {
  const { node, seconds, workplace } = finished;
  await record(run.cache, finished, outputs);
  for (const { folder } of finished.each) confirmRuns(folder);
  removeFolder(workplace.scratch);
  forgetTurns(workplace.scratch);
  run.outcome.ran.push(node.name);
  const digests = Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
  run.listener({ type: 'node-done', node: node.name, seconds, outputs: digests });
}
