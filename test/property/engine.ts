// One `dag run`, or one run of `dag watch`, within the test's process: the real spec, keys, scheduler, publishing and cache, but
// nodes run by function calls, so that thousands of runs take minutes. A kill is imitated: from a given step on nothing more
// reaches the disk.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { type Cache, openCache } from '../../cache/index.ts';
import { journalTo } from '../../engine/journal/write.ts';
import type { RunEvent, RunSummary } from '../../engine/model/event.ts';
import {
  checkSources,
  learn,
  loadProject,
  projectNow,
  selectNames,
  selectNodes,
} from '../../engine/project/session.ts';
import { startRun } from '../../engine/run/run.ts';
import { placesOf } from '../../engine/state/places.ts';
import { createFollower } from '../../engine/watch/follow.ts';
import { createExecutor } from './executor.ts';
import { createLife, Killed } from './life.ts';

export interface RunOrder {
  readonly selectors: readonly string[];
  readonly force: boolean;
  readonly keepGoing: boolean;
  /** The process dies at this step, counted over all steps of publishing and of the nodes. */
  readonly killAt: number | null;
  /** It is asked to stop at this step. */
  readonly stopAt: number | null;
  /** Called when the first node has read its inputs. */
  readonly meanwhile: (() => void) | null;
  /** As under `dag watch`: these are made while the run goes on, and it hears of them. Null: it is no such run. */
  readonly edits: readonly TimedEdit[] | null;
  /** Nodes pause while the run hears of an edit: otherwise most are done before that. */
  readonly patient: boolean;
}

export interface TimedEdit {
  readonly at: number;
  /** So many steps later the run is told. */
  readonly seenAfter: number;
  /** Returns the places that it wrote. */
  make(): readonly string[];
}

export type Started = Pick<Extract<RunEvent, { type: 'node-started' }>, 'node' | 'key' | 'ingredients'>;

export interface RunStory {
  /** Null where the process died. */
  readonly summary: RunSummary | null;
  readonly started: readonly Started[];
  /** Keys of what was told to be done. */
  readonly done: readonly string[];
  /** The run was told of every edit, and took it in. */
  readonly isFollowed: boolean;
}

/** What happened, by a run's events. */
export function storyOf(events: readonly RunEvent[]): Pick<RunStory, 'started' | 'done'> {
  const started: Started[] = [];
  const done: string[] = [];
  for (const event of events) {
    if (event.type === 'node-started') started.push(event);
    if (event.type === 'node-done') done.push(started.findLast(({ node }) => node === event.node)!.key);
  }
  return { started, done };
}

export function open(root: string, onStep?: () => void): Cache {
  return openCache({ dir: placesOf(root).cache, ...(onStep ? { onStep } : {}) });
}

export async function runOnce(root: string, order: RunOrder, runId: string): Promise<RunStory> {
  const flags = { directory: root, set: [] };
  const pipeline = loadProject(flags);
  const nodes = selectNodes(pipeline, order.selectors, false);
  const places = placesOf(root);
  let onStep = (_: number) => {};
  const life = createLife(order.killAt, (step) => onStep(step));
  const cache = life.guard(open(root, life.step));
  const session = { pipeline, places, cache };
  const events: RunEvent[] = [];
  let pausing = async () => {};
  const journal = journalTo(places.journals, runId);
  try {
    await checkSources(session, nodes);
    const knowledge = await learn(session, nodes);
    const run = startRun({
      pipeline,
      nodes,
      forced: new Set(order.force ? selectNames(pipeline, order.selectors, true) : []),
      cache,
      ...knowledge,
      places,
      runId,
      header: { words: ['run'], pid: process.pid, set: [] },
      keepGoing: order.keepGoing,
      mayBeEdited: order.edits !== null,
      listener(event) {
        if (life.over()) return;
        events.push(event);
        journal.on(event, Date.now());
        // Before its code is read.
        if (event.type === 'node-started') life.step();
      },
      executor: createExecutor(root, life, order.meanwhile, () => pausing()),
      asked: { jobs: null, gpus: null },
    });
    let isFollowed = true;
    const follower = createFollower(root, cache, async () => {
      const project = await projectNow(session, order.selectors, flags);
      isFollowed &&= project !== null;
      return project;
    });
    const edit: typeof run.edit = (change) => {
      const isHeard = run.edit(change);
      isFollowed &&= isHeard;
      return isHeard;
    };
    if (order.patient) pausing = follower.settled;
    follower.begin(nodes, knowledge.codes, { edit, say() {} });
    const unseen = new Set(order.edits);
    const written = new Set<string>();
    onStep = (step) => {
      if (step === order.stopAt) run.stop();
      for (const one of unseen) {
        if (one.at === step) for (const place of one.make()) written.add(place);
        if (one.at + one.seenAfter !== step) continue;
        unseen.delete(one);
        follower.edited(new Set(written)).catch(() => {}); // Told of by `settled`.
        written.clear();
      }
    };
    const { summary } = await Promise.race([run.finished, life.ended]);
    onStep = () => {};
    await Promise.race([follower.settled(), life.ended]);
    await Promise.race([cache.close(), life.ended]);
    return { summary, ...storyOf(events), isFollowed: isFollowed && unseen.size === 0 };
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    await life.settled();
    // The next process would find the owner of these dead, which this one is not.
    rmSync(path.join(cache.dir, 'tmp'), { recursive: true, force: true });
    return { summary: null, ...storyOf(events), isFollowed: false };
  }
}
