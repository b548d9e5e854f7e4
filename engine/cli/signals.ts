// What Ctrl-C and other signals ask of a run.

const STOPPING = 'stopping: running nodes end at their next safe point; press Ctrl-C again to kill them';

/**
 * Ctrl-C, SIGTERM and SIGHUP: once to stop, twice to kill. SIGQUIT (Ctrl-\\, `dag stop --now`) kills at once.
 * Returns what takes the handlers away.
 */
export function onSignals(stop: () => void, say: (message: string) => void): () => void {
  let calls = 0;
  const ask = () => {
    calls++;
    say(calls === 1 ? STOPPING : 'killing');
    stop();
  };
  const kill = () => {
    calls += 2;
    say('killing');
    stop();
    stop();
  };
  const handlers = { SIGINT: ask, SIGTERM: ask, SIGHUP: ask, SIGQUIT: kill } as const;
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  };
}
