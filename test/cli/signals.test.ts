// How often a run is asked to stop: the handlers, called as Node calls them. What real signals do is in test/crash/deaths.test.ts.
import { afterEach, expect, test } from 'vitest';
import { onSignals } from '../../engine/cli/signals.ts';

let forget = () => {};
afterEach(() => forget());

/** What was done after each signal: s for the first stop, k for a kill. */
function after(...signals: NodeJS.Signals[]): string[] {
  let calls = 0;
  forget = onSignals(
    () => calls++,
    () => {},
  );
  return signals.map((signal) => {
    process.emit(signal, signal);
    return ['', 'stopped'][calls] ?? 'killed';
  });
}

test('a second Ctrl-C kills, whatever asked first', () => {
  expect(after('SIGINT', 'SIGINT')).toEqual(['stopped', 'killed']);
});

test('what closing terminals, `timeout`, service managers and batch systems send twice does not kill', () => {
  const signals: NodeJS.Signals[] = ['SIGTERM', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU', 'SIGINT'];
  expect(after(...signals)).toEqual(['stopped', 'stopped', 'stopped', 'stopped', 'stopped', 'killed']);
});

test('SIGQUIT kills at once', () => {
  expect(after('SIGQUIT')).toEqual(['killed']);
});

test('no handler stays', () => {
  after('SIGTERM');
  forget();
  expect(process.listenerCount('SIGQUIT') + process.listenerCount('SIGUSR2')).toBe(0);
});
