// Who holds the project's run lock: the process that a run from another terminal can be followed and stopped by.
import { existsSync } from 'node:fs';
import { acquireLock, type LockOwner } from '../../cache/index.ts';

/**
 * The living owner of the lock, or null. PID and start time were compared just now, so a process that only has the PID
 * of a dead owner is never named. Asks by trying to take the lock, which for an instant we hold where nobody does.
 */
export async function lockHolder(lockPath: string): Promise<LockOwner | null> {
  if (!existsSync(lockPath)) return null;
  const found = new AbortController();
  let holder: LockOwner | null = null;
  const onWait = (owner: LockOwner) => {
    holder = owner;
    found.abort();
  };
  try {
    (await acquireLock(lockPath, { onWait, signal: found.signal })).release();
    return null;
  } catch (error) {
    if (holder) return holder;
    throw error;
  }
}
