// An executor that can be told of edits while it runs nodes: those that an edit reached are stopped, and not started any
// more, since their key was made from what they were before; all others go on. What depends on them is not begun, but
// where it runs already it goes on: what the edited node makes may turn out to be the same.
import type { Failure } from '../event.ts';
import type { Executor, Launch, Running } from '../exec/executor.ts';

export interface EditableExecutor extends Executor {
  /** These nodes' results would be of the past; those of `dependents` are not worth beginning before. */
  edited(nodes: ReadonlySet<string>, dependents: ReadonlySet<string>): void;
}

const STOPPED: Failure = { kind: 'interrupted', message: 'it was edited' };
/** A node that does not come to its safe point is killed then: what it would make is not wanted. */
const GRACE_MS = 10_000;

export function editableExecutor(inner: Executor, nodeOf: (launch: Launch) => string): EditableExecutor {
  const past = new Set<string>();
  const held = new Set<string>();
  const under = new Map<string, Running>();
  return {
    launch(launch) {
      const node = nodeOf(launch);
      if (past.has(node) || held.has(node)) return { ended: Promise.resolve(STOPPED), stop: () => {}, kill: () => {} };
      const running = inner.launch(launch);
      under.set(node, running);
      const ended = running.ended.then((failure) => {
        under.delete(node);
        // Ended well all the same: its code was the old one from start to end, so its result is of its key.
        return failure && past.has(node) ? STOPPED : failure;
      });
      return { ...running, ended };
    },
    edited(nodes, dependents) {
      for (const node of dependents) held.add(node);
      for (const node of nodes) {
        past.add(node);
        const running = under.get(node);
        if (!running) continue;
        running.stop('its code was edited');
        const timer = setTimeout(running.kill, GRACE_MS);
        void running.ended.then(() => clearTimeout(timer));
      }
    },
    close: () => inner.close(),
  };
}
