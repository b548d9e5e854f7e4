// dag watch: runs what is stale, then again after each edit. What an edit reaches while a run goes on is stopped at once
// and runs again as soon as the nodes that the edit does not reach have ended; those are not disturbed.
import path from 'node:path';
import { createLocalExecutor } from '../exec/local.ts';
import { codeOf, filesRead } from '../plan/code.ts';
import { logPath } from '../state/places.ts';
import { affectedBy, dependentOn, type Version } from '../watch/affected.ts';
import { type EditableExecutor, editableExecutor } from '../watch/executor.ts';
import { filesToWatch, type Watched } from '../watch/files.ts';
import { createWatcher } from '../watch/watcher.ts';
import { EXIT, UsageError } from './failure.ts';
import { type RunFlags, runSelected } from './run.ts';
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
          current = createCurrent(session, flags);
          const outcome = await runSelected(session, selectors, flags, current.hooks);
          if (outcome.interrupted) return EXIT.done;
          watched = watchedBy(session, selectors);
        } finally {
          await current?.settled();
          current = null;
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
  readonly hooks: Parameters<typeof runSelected>[3] & object;
  edited(paths: ReadonlySet<string>): Promise<void>;
  /** No look at an edit is under way. */
  settled(): Promise<void>;
}

function createCurrent({ pipeline, places, cache }: Session, flags: RunFlags): Current {
  let executor: EditableExecutor | null = null;
  let say: (message: string) => void = () => {};
  let version: Version = { nodes: [], codes: new Map() };
  let last: Promise<void> = Promise.resolve();
  const byLog = new Map(pipeline.nodes.map(({ name }) => [logPath(places, name), name]));

  const look = async (paths: ReadonlySet<string>) => {
    for (const file of paths) cache.forget(file);
    const edited = loadOrNull(flags);
    // A file that does not load says nothing of the nodes: they go on until it does.
    if (!edited || !executor) return;
    const modules = new Set(version.codes.keys());
    const codes = new Map<string, string>();
    for (const [module, code] of await codeOf(edited.root, modules, cache))
      if (code.ok) codes.set(module, code.value.digest);
    const reached = affectedBy(version, { nodes: edited.nodes, codes });
    if (reached.size === 0) return;
    const files = named([...paths].map((file) => path.relative(edited.root, file)));
    say(`edited ${files}: ${reached.size} ${reached.size === 1 ? 'node has' : 'nodes have'} to run again`);
    executor.edited(reached, dependentOn(reached, version.nodes));
  };
  return {
    hooks: {
      createExecutor(root, notes) {
        executor = editableExecutor(createLocalExecutor(root, { notes }), ({ work, log }) =>
          work.kind === 'module' ? work.job.node : (byLog.get(log) ?? ''),
        );
        return executor;
      },
      onStart(nodes, codes, tell) {
        say = tell;
        version = { nodes, codes: new Map([...codes].map(([module, { digest }]) => [module, digest])) };
      },
    },
    edited(paths) {
      last = last.then(() => look(paths));
      return last;
    },
    settled: () => last,
  };
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
