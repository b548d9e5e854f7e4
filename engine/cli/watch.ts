// dag watch: runs what is stale, then again after each edit. What an edit reaches while a run goes on is stopped and begun again
// at once, and nothing else is disturbed (engine/run/edits.ts).
import path from 'node:path';
import { type Code, filesRead } from '../plan/code.ts';
import { affectedBy, dependentOn, type Version } from '../watch/affected.ts';
import { filesToWatch, type Watched } from '../watch/files.ts';
import { createWatcher } from '../watch/watcher.ts';
import { EXIT, UsageError } from './failure.ts';
import { type RunFlags, type RunHooks, runSelected, type StartedRun } from './run.ts';
import { learn, loadOrNull, openSession, pipelineFile, type Session, selectNodes } from './session.ts';
import { dim } from './style.ts';

/** Returns when it is interrupted, with 0. */
export async function watchCommand(selectors: readonly string[], flags: RunFlags): Promise<number> {
  let watched: Watched = { files: new Set([pipelineFile(flags)]), folders: new Set() };
  let current: Current | null = null;
  const edits = createEdits();
  const watcher = createWatcher((paths) => {
    edits.add(paths);
    if (current) void current.edited(paths);
  });
  const interrupted = onceInterrupted();
  try {
    for (;;) {
      edits.clear();
      try {
        const session = openSession(flags);
        try {
          watched = watchedBy(session, selectors);
          await learn(session, selectNodes(session.pipeline, selectors, false));
          watched = watchedBy(session, selectors);
          await watcher.look(watched);
          current = createCurrent(session, selectors, flags);
          const outcome = await runSelected(session, selectors, flags, current.hooks);
          if (outcome.interrupted) return EXIT.done;
          watched = watchedBy(session, selectors);
        } finally {
          const last: Current | null = current;
          current = null; // No look at an edit begins any more: it would find the cache closed.
          await last?.settled();
          await session.cache.close();
        }
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        process.stderr.write(`${error.message}\n`);
      }
      await watcher.look(watched);
      if (edits.any()) continue;
      process.stderr.write(
        dim(`watching ${watched.files.size + watched.folders.size} files and folders; Ctrl-C ends\n`),
      );
      if ((await Promise.race([edits.next(), interrupted.promise])) === 'interrupted') return EXIT.done;
    }
  } finally {
    interrupted.forget();
    await watcher.close();
  }
}

function watchedBy({ pipeline, cache }: Session, selectors: readonly string[]): Watched {
  const nodes = selectNodes(pipeline, selectors, false);
  const modules = new Set(nodes.flatMap(({ action }) => (action.kind === 'module' ? [action.path] : [])));
  const read = new Map([...modules].map((module) => [module, filesRead(pipeline.root, module, cache)]));
  return filesToWatch(pipeline, nodes, read, cache);
}

/** The run that goes on, and what edits do to it. */
interface Current {
  readonly hooks: RunHooks;
  edited(paths: ReadonlySet<string>): Promise<void>;
  /** No look at an edit is under way. */
  settled(): Promise<void>;
}

function createCurrent(
  { pipeline: { root }, places, cache }: Session,
  selectors: readonly string[],
  flags: RunFlags,
): Current {
  let run: StartedRun | null = null;
  let version: Version = { nodes: [], codes: new Map() };
  let last: Promise<void> = Promise.resolve();

  const look = async (paths: ReadonlySet<string>) => {
    for (const file of paths) cache.forget(file);
    if (!run) return;
    const files = named([...paths].map((file) => path.relative(root, file)));
    const pipeline = loadOrNull(flags);
    const nodes = pipeline && unlessUsage(() => selectNodes(pipeline, selectors, flags.only ?? false));
    const knowledge = nodes && (await learn({ pipeline, places, cache }, nodes).catch(nullOnUsage));
    if (!knowledge) return run.say(`edited ${files}: it does not load or build, so running nodes go on as they are`);
    const now: Version = { nodes, codes: digestsOf(knowledge.codes) };
    const reached = affectedBy(version, now);
    if (reached.size === 0) return;
    run.say(`edited ${files}: ${reached.size} ${reached.size === 1 ? 'node has' : 'nodes have'} to run again`);
    const dependents = dependentOn(reached, version.nodes);
    if (run.edit({ pipeline, nodes, ...knowledge, reached, dependents })) version = now;
  };
  return {
    hooks: {
      mayBeEdited: true,
      onStart(nodes, codes, started) {
        run = started;
        version = { nodes, codes: digestsOf(codes) };
      },
    },
    edited(paths) {
      last = last.then(() => look(paths));
      return last;
    },
    settled: () => last,
  };
}

/** Packages too: a node that is queued with the key of the old ones must not be run with the new ones. */
const digestsOf = (codes: ReadonlyMap<string, Code>) =>
  new Map([...codes].map(([module, { digest, packages }]) => [module, JSON.stringify([digest, packages])] as const));

function nullOnUsage(error: unknown): null {
  if (error instanceof UsageError) return null;
  throw error;
}

function unlessUsage<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    return nullOnUsage(error);
  }
}

const NAMED = 3;

function named(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** Edits since the last run began, and a promise of the next one. */
function createEdits() {
  let pending = false;
  let wake: (() => void) | null = null;
  return {
    add(_: ReadonlySet<string>) {
      pending = true;
      wake?.();
    },
    any: () => pending,
    clear() {
      pending = false;
    },
    next: () =>
      new Promise<'edited'>((resolve) => {
        wake = () => resolve('edited');
        if (pending) resolve('edited');
      }),
  };
}

function onceInterrupted() {
  let done: (word: 'interrupted') => void = () => {};
  const promise = new Promise<'interrupted'>((resolve) => {
    done = resolve;
  });
  const handler = () => done('interrupted');
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handler);
  return { promise, forget: () => signals.forEach((signal) => void process.off(signal, handler)) };
}
