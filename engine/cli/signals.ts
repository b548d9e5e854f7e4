// What stops a run from outside: the signals that ask it to, and how often they must ask.
import { hasTerminal } from './output.ts';

/** Slurm and Grid Engine announce by USR1, USR2 and XCPU that time is up. */
const ASKING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU'];

/** Without a terminal there is none to hang up, as under `nohup`: that SIGHUP is to be ignored Node forgets as it starts. */
const STOPPING = hasTerminal ? ([...ASKING, 'SIGHUP'] as const) : ASKING;

/** To be called once, by every command. */
export function ignoreHangup(): void {
  if (!hasTerminal) process.on('SIGHUP', () => {});
}

/** Returns what takes the handler away. */
export function onStopping(handler: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of STOPPING) process.on(signal, handler);
  return () => STOPPING.forEach((signal) => void process.off(signal, handler));
}

const SAID = 'stopping: running nodes end at their next safe point; press Ctrl-C again to kill them';

/**
 * The first signal stops; Ctrl-C after it kills, and so does SIGQUIT (Ctrl-\\, `dag stop --now`) at once. The others are not counted: a
 * terminal that closes says so by the shell and by the kernel, and `timeout` and service managers send two as well.
 * Returns what takes the handlers away.
 */
export function onSignals(stop: () => void, say: (message: string) => void): () => void {
  let calls = 0;
  const call = () => {
    calls++;
    stop();
  };
  const forget = onStopping((signal) => {
    if (calls > 0 && signal !== 'SIGINT') return;
    say(calls === 0 ? SAID : 'killing');
    call();
  });
  const kill = () => {
    say('killing');
    call();
    call();
  };
  process.on('SIGQUIT', kill);
  return () => {
    forget();
    process.off('SIGQUIT', kill);
  };
}
