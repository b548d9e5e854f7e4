// dag watch: runs what is stale, then again after each edit. What an edit reaches while a run goes on is stopped and begun again
// at once, and nothing else is disturbed (engine/run/edits.ts).
import { filesRead } from '../../plan/code/digest.ts';
import type { RunFlags } from '../../project/run.ts';
import { learn, openSession, pipelineFile, projectNow, type Session, selectNodes } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { dim } from '../../text/style.ts';
import { filesToWatch, type Watched } from '../../watch/files.ts';
import { createFollower, type Follower } from '../../watch/follow.ts';
import { createWatcher } from '../../watch/watcher.ts';
import { EXIT } from '../exit.ts';
import { onStopping } from '../signals.ts';
import { runOnTerminal } from './run.ts';

/** Returns when it is interrupted, with 0. */
export async function watchCommand(selectors: readonly string[], flags: RunFlags): Promise<number> {
  let watched: Watched = { files: new Set([pipelineFile(flags)]), folders: new Set() };
  let current: Follower | null = null;
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
          current = createFollower(session.pipeline.root, session.cache, () => projectNow(session, selectors, flags));
          const outcome = await runOnTerminal(session, selectors, flags, { mayBeEdited: true, onStart: current.begin });
          if (outcome.interrupted) return EXIT.done;
          watched = watchedBy(session, selectors);
        } finally {
          const last: Follower | null = current;
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
  return { promise, forget: onStopping(() => done('interrupted')) };
}
