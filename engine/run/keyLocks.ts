// Two runs on one shared cache never do the same work at once: a run claims a key before it runs a node, and a run that finds
// the key claimed waits for the other's record. In one project the project's own lock does this, so nothing is claimed there.
import path from 'node:path';
import { acquireLock, type Key, type LockOwner } from '../../cache/index.ts';

export type KeyLock =
  | { readonly taken: true; release(): void }
  /** Another run has it; `freed` resolves when it does not any more, or when the signal ends the waiting. */
  | { readonly taken: false; readonly owner: LockOwner; freed(signal: AbortSignal): Promise<void> };

export interface KeyLocks {
  /** False where the project's lock keeps other runs out already. */
  readonly areShared: boolean;
  take(key: Key): Promise<KeyLock>;
}

export const noKeyLocks: KeyLocks = {
  areShared: false,
  take: async () => ({ taken: true, release() {} }),
};

export function createKeyLocks(cacheDir: string): KeyLocks {
  return {
    areShared: true,
    async take(key) {
      const folder = path.join(cacheDir, 'claims', key.slice(0, 2), key);
      const given = new AbortController();
      let owner: LockOwner | null = null;
      const onWait = (found: LockOwner) => {
        owner = found;
        given.abort();
      };
      try {
        const lock = await acquireLock(folder, { onWait, signal: given.signal });
        return { taken: true, release: () => lock.release() };
      } catch (error) {
        if (owner === null) throw error;
        const freed = (signal: AbortSignal) =>
          acquireLock(folder, { onWait() {}, signal }).then(
            (lock) => lock.release(),
            (reason) => {
              if (!signal.aborted) throw reason;
            },
          );
        return { taken: false, owner, freed };
      }
    },
  };
}
