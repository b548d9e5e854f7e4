// One node's process: where it writes, what it is told, and how it ended. The engine's side of `exec/`.

import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Declared } from '../exec/declared.ts';
import { distrustRuns } from '../exec/eachMarkers.ts';
import type { Executor, Launch } from '../exec/executor.ts';
import type { EachJob, ModuleJob, NodeMessage } from '../exec/protocol.ts';
import { type Changes, declaredChanges } from '../model/environment.ts';
import type { Failure, Listener } from '../model/event.ts';
import type { Node } from '../model/node.ts';
import type { Allotment } from '../model/resources.ts';
import { ownVariables, variable } from '../model/variables.ts';
import type { Assessment } from '../plan/assess.ts';
import { logPath, type Places, scratchOf } from '../state/places.ts';
import { forgetTurns } from '../state/turns.ts';
import { type Bundle, type Bundles, CodeChanged, type PackagesSince } from './bundles.ts';
import type { Cancellation } from './cancel.ts';

export interface Workplace {
  readonly log: string;
  readonly scratch: string;
  /** A folder of this node alone on the project's disk; gone when the node is. */
  readonly staging: string;
  /** Where each output is written. */
  readonly written: Readonly<Record<string, string>>;
}

/** Where a node works. A module's outputs go to staging, a shell command's to their place. */
export function prepareWorkplace(
  root: string,
  places: Places,
  runId: string,
  node: Node,
  assessment: Assessment,
): Workplace {
  const id = createHash('sha256').update(node.name).digest('hex').slice(0, 16);
  // A run's own: a process that a killed engine left behind must not write into what this run records.
  const staging = path.join(places.staging, runId, id);
  const scratch = scratchOf(places, assessment);
  const log = logPath(places, node.name);
  const written: Record<string, string> = {};
  if (node.action.kind === 'shell') {
    for (const { name, path: file } of node.outputs) written[name] = path.join(root, file);
    return { log, scratch, staging, written };
  }
  for (const [index, { name, path: file }] of node.outputs.entries()) {
    written[name] = path.join(staging, String(index), path.basename(file));
  }
  return { log, scratch, staging, written };
}

/** Before each try of a module task: what an earlier try left must not be part of the result. Scratch stays, where it was not taken. */
export function emptyStaging({ scratch, staging, written }: Workplace): void {
  mkdirSync(scratch, { recursive: true });
  rmSync(staging, { recursive: true, force: true });
  for (const file of Object.values(written)) mkdirSync(path.dirname(file), { recursive: true });
}

export interface ProcessRequest {
  readonly root: string;
  readonly node: Node;
  readonly allotment: Allotment;
  readonly workplace: Workplace;
  readonly bundles: Bundles;
  readonly executor: Executor;
  readonly cancellation: Cancellation;
  /** Absent: the node does every item, and nothing is remembered of them. */
  readonly each?: EachJob | null;
  /** Resolves when the cache's index is on the disk, for the process to read. */
  readonly whenIndexed?: () => Promise<void>;
  onMessage(message: NodeMessage): void;
}

/** Runs the node's process to its end; null is success. */
export async function runProcess(request: ProcessRequest): Promise<Failure | null> {
  const { root, node, allotment, workplace } = request;
  const bundle = await bundleOf(request);
  if (bundle instanceof CodeChanged) return { kind: 'input', message: bundle.message, hint: BEGIN_ANEW };
  let loaded: PackagesSince = SAME;
  const running = request.executor.launch({
    root,
    log: workplace.log,
    allotment,
    environment: changesFor(node),
    work: workOf(request, bundle),
    timeoutMs: node.timeoutMs,
    onMessage(message) {
      if (message.type === 'loaded') loaded = bundle?.packagesSince() ?? SAME;
      request.onMessage(message);
    },
    ...(request.whenIndexed ? { whenIndexed: request.whenIndexed } : {}),
  });
  request.cancellation.watch(running);
  const failure = await running.ended.finally(() => request.cancellation.unwatch(running));
  return bundle ? withItsPackages(request, failure, loaded, bundle.packagesSince()) : failure;
}

const SAME: PackagesSince = { kind: 'same' };
const BEGIN_ANEW = 'run again: the new run begins with the new code';

/** Null for a shell command. */
async function bundleOf({ node, bundles }: ProcessRequest): Promise<Bundle | CodeChanged | null> {
  if (node.action.kind === 'shell') return null;
  return bundles(node.action.path).catch((error) => {
    if (error instanceof CodeChanged) return error;
    throw error;
  });
}

function workOf(request: ProcessRequest, bundle: Bundle | null): Launch['work'] {
  const { action } = request.node;
  if (action.kind === 'shell') return { ...action, declared: declaredOf(request) };
  return { kind: 'module', job: jobOf(request, bundle!) };
}

/**
 * What a node made of other packages than its key names is not its result, and nothing to go on from. One whose packages were
 * installed anew in the same versions may have loaded others only in between: that is told, unless it was while it started.
 */
function withItsPackages(
  { node, workplace, each, onMessage }: ProcessRequest,
  failure: Failure | null,
  loaded: PackagesSince,
  ended: PackagesSince,
): Failure | null {
  if (ended.kind === 'same') return failure;
  if (ended.kind === 'reinstalled' && loaded.kind === 'same') {
    onMessage({ type: 'warn', message: `${ended.what} was installed again, in the same version, while it ran` });
    return failure;
  }
  rmSync(workplace.scratch, { recursive: true, force: true });
  forgetTurns(workplace.scratch);
  if (each) distrustRuns(each.folder);
  if (failure?.kind === 'interrupted') return failure;
  const what = ended.kind === 'changed' ? ended.what : `${ended.what} was installed again while it started`;
  const message = `a package that ${node.task} imports changed while it ran, so its result was not recorded: ${what}`;
  return { kind: 'task', cause: 'code', message, hint: BEGIN_ANEW, log: workplace.log };
}

function declaredOf({ root, node, workplace }: ProcessRequest): Declared {
  const inputs = node.inputs.flatMap(({ sources }) => sources.map((source) => path.resolve(root, source.path)));
  return { inputs, own: Object.values(workplace.written), scratch: '$TMPDIR' };
}

/** What it declares of language and time zone is the caller's; a name of its own does not become known to programs by the caller. */
function changesFor(node: Node): Changes {
  return { ...Object.fromEntries(ownVariables(node).map((name) => [name, null])), ...declaredChanges(node.env) };
}

function jobOf({ root, node, allotment, workplace, each = null }: ProcessRequest, bundle: Bundle): ModuleJob {
  const inputs: Record<string, ModuleJob['inputs'][string]> = {};
  for (const { name, many, sources } of node.inputs) {
    inputs[name] = {
      many,
      items: sources.map((source) => ({ path: path.resolve(root, source.path), axes: source.axes })),
    };
  }
  return {
    node: node.name,
    bundle: bundle.file,
    packages: bundle.packages,
    assets: bundle.assets,
    params: node.params,
    env: Object.fromEntries(node.env.map((name) => [name, variable(name)])),
    inputs,
    outputs: workplace.written,
    scratch: workplace.scratch,
    cores: allotment.cores,
    gpus: allotment.gpus,
    each,
  };
}

/** Passes what a running node says on to the run's listeners. */
export function relay(node: Node, message: NodeMessage, listener: Listener): void {
  switch (message.type) {
    case 'progress':
      return listener({ ...message, type: 'node-progress', node: node.name });
    case 'metric':
      return listener({ ...message, type: 'node-metric', node: node.name });
    case 'warn':
      return listener({ type: 'node-warned', node: node.name, message: message.message });
    default:
      return;
  }
}
