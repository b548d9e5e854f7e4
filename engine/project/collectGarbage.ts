// The part of dag gc that is not about results: what runs left under .dag and beside the results in the cache. The project's
// is collected while no run of it is under way, the cache's claims while nobody else has it open; else they stay for the next time.
import { acquireLock } from '../../cache/index.ts';
import type { Asked, Started, Usage } from '../journal/usage.ts';
import type { Pipeline } from '../model/node.ts';
import {
  cacheGarbage,
  type Garbage,
  projectGarbage,
  remove,
  removeTakenClaims,
  takeClaimsAway,
} from '../state/garbage.ts';
import { listPins } from '../state/pins.ts';
import { nodeOfId } from '../state/projectView.ts';
import { recordOf, stateOf } from '../state/records.ts';
import { asRun, type CommonFlags, loadOrNull, type Session } from './session.ts';

export interface GarbageRequest {
  readonly usage: Usage;
  readonly keepRuns: number;
  readonly maxAgeMs: number | null;
  readonly flags: CommonFlags;
  readonly dryRun: boolean;
}

export interface GarbageCollection {
  /** What went or, in a dry run, what would. */
  readonly garbage: readonly Garbage[];
  /** Who has the cache open, where something stays for that; for a person. */
  readonly hinderedBy: readonly string[];
}

export async function collectGarbage(session: Session, request: GarbageRequest): Promise<GarbageCollection> {
  const { cache } = session;
  let hinderedBy: readonly string[] = [];
  const alone = (work: () => void) => {
    const done = cache.withExclusiveAccess(work);
    if (!done) hinderedBy = cache.users();
    return done;
  };
  const garbage = [...(await ofProject(session, request, alone)), ...ofCache(session, request.dryRun, alone)];
  return { garbage, hinderedBy };
}

type Alone = (work: () => void) => boolean;

async function ofProject(session: Session, request: GarbageRequest, alone: Alone): Promise<Garbage[]> {
  const { places } = session;
  const busy = new AbortController();
  const lock = await acquireLock(places.lock, { onWait: () => busy.abort(), signal: busy.signal }).catch((error) => {
    if (busy.signal.aborted) return null;
    throw error;
  });
  if (!lock) return [];
  try {
    const found = projectGarbage(places, wantedIn(session, request));
    if (request.dryRun) return found;
    // `dag verify --rerun` uses bundles without the lock.
    const bundles = found.filter(({ kind }) => kind === 'code');
    const others = found.filter(({ kind }) => kind !== 'code');
    remove(others);
    return bundles.length === 0 || alone(() => remove(bundles)) ? found : others;
  } finally {
    lock.release();
  }
}

/**
 * A scratch folder may be taken up again while its key is the one that its node was last started with in that profile, or is
 * pinned or of the last runs, and has no result yet; so may that node's items. Where no pipeline that is in use has the node, that
 * is true up to the age limit only. A key that the journals do not know is left in peace.
 */
function wantedIn(session: Session, request: GarbageRequest) {
  const { cache, pipeline } = session;
  const { usage, keepRuns, maxAgeMs } = request;
  const isInUse = maxAgeMs === null ? () => true : nodesInUse(session, request);
  const oldestMs = maxAgeMs === null ? Number.NEGATIVE_INFINITY : Date.now() - maxAgeMs;
  const started = usage.lastStarted.filter(({ key }) => cache.get('records', key) === undefined);
  const used = new Set(started.filter(isInUse).map(({ key }) => key));
  const last = new Set(started.map(({ key }) => key));
  for (const { keys } of usage.runs.slice(0, keepRuns)) for (const key of keys) used.add(key);
  for (const { keys } of listPins(cache)) for (const key of keys) used.add(key);
  const known = new Map([...usage.lastUsedMs.keys()].map((key) => [key.slice(0, 32), key]));
  const isAlive = (name: string) => {
    const state = stateOf(cache, name);
    return state !== undefined && recordOf(cache, state.key) !== undefined;
  };
  const isYoung = (key: string, writtenMs = 0) => Math.max(usage.lastUsedMs.get(key)!, writtenMs) >= oldestMs;
  return {
    nodes: [
      ...pipeline.nodes.map(({ name }) => name),
      ...cache.ids('nodes').filter(isAlive).map(nodeOfId),
      ...started.filter(({ key }) => used.has(key) || isYoung(key)).map(({ node }) => node),
    ],
    isWanted(start: string, writtenMs: number) {
      const key = known.get(start);
      if (key === undefined) return true;
      if (cache.get('records', key) !== undefined) return false;
      return used.has(key) || (last.has(key) && isYoung(key, writtenMs));
    },
  };
}

/** Whether the pipeline that a node was started in, by profile and --set, is that of this command or of one of the kept runs, and still has the node. */
function nodesInUse({ pipeline }: Session, { usage, keepRuns, flags }: GarbageRequest): (started: Started) => boolean {
  const nameOf = ({ profile, set }: Asked) => JSON.stringify([profile, set]);
  const namesOf = ({ nodes }: Pipeline) => new Set(nodes.map(({ name }) => name));
  const inUse = new Map([[nameOf({ profile: pipeline.profile, set: flags.set }), namesOf(pipeline)]]);
  for (const run of usage.runs.slice(0, Math.max(1, keepRuns))) {
    if (inUse.has(nameOf(run))) continue;
    const loaded = loadOrNull(asRun(flags, run));
    if (loaded) inUse.set(nameOf(run), namesOf(loaded));
  }
  return (started) => inUse.get(nameOf(started))?.has(started.node) ?? false;
}

function ofCache({ cache }: Session, dryRun: boolean, alone: Alone): Garbage[] {
  const { claims, damaged } = cacheGarbage(cache.dir);
  if (dryRun) return [...claims, ...damaged];
  remove(damaged);
  // Nobody waits for a claim whose folder goes: nobody else is there.
  const went = claims.length > 0 && alone(() => takeClaimsAway(cache.dir));
  removeTakenClaims(cache.dir);
  return went ? [...claims, ...damaged] : damaged;
}
