// dag stop: asks the run that goes on in another terminal to stop, as Ctrl-C there would; --now as pressing it twice.
import { hostname } from 'node:os';
import { livingOwner } from '../../../cache/host/index.ts';
import { acquireLock, type LockOwner } from '../../../cache/index.ts';
import { type CommonFlags, projectRoot } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { placesOf } from '../../state/places.ts';
import { EXIT } from '../exit.ts';

interface StopFlags extends CommonFlags {
  readonly now?: boolean;
}

/** Returns when the process has let go of the project. Exit code 0 also when nothing was running. */
export async function stopCommand(flags: StopFlags): Promise<number> {
  const places = placesOf(projectRoot(flags));
  const owner = livingOwner(places.lock);
  if (!owner) {
    answer(flags, null, 'nothing is running in this project');
    return EXIT.done;
  }
  if (owner.host !== hostname())
    throw new UsageError(`the run is process ${owner.pid} on ${owner.host}\n  \`dag stop\` there stops it`);
  process.stderr.write(
    flags.now
      ? `killing the nodes of process ${owner.pid}\n`
      : `asked process ${owner.pid} to stop: its nodes end at their next safe point (\`dag stop --now\` kills them)\n`,
  );
  signal(owner, flags.now ? 'SIGQUIT' : 'SIGINT');
  await released(places.lock, owner);
  answer(flags, owner, 'stopped');
  return EXIT.done;
}

/** The lock was asked for its living owner an instant ago: PID and start time belong to the process that took it. */
function signal(owner: LockOwner, name: NodeJS.Signals): void {
  try {
    process.kill(owner.pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return;
    throw new UsageError(`process ${owner.pid} cannot be told (${code}): it is another user's. Stop it as that user.`);
  }
}

/** Waits until this owner is gone; whoever was waiting behind it may have the lock next. */
async function released(lockPath: string, owner: LockOwner): Promise<void> {
  const succeeded = new AbortController();
  const onWait = ({ pid, since }: LockOwner) => {
    if (pid !== owner.pid || since !== owner.since) succeeded.abort();
  };
  try {
    (await acquireLock(lockPath, { onWait, signal: succeeded.signal })).release();
  } catch (error) {
    if (!succeeded.signal.aborted) throw error;
  }
}

function answer({ json }: StopFlags, owner: LockOwner | null, message: string): void {
  if (json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, stopped: owner?.pid ?? null })}\n`);
  else process.stderr.write(`${message}\n`);
}
