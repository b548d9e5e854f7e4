// What a command costs: CPU seconds with all its children, from the kernel's count of this process' ended children.
import { spawnSync } from 'node:child_process';

export interface Cost {
  /** Seconds, user and system. */
  readonly cpu: number;
  readonly clock: number;
}

/** Null when it failed, or ran beyond the limit. */
export function cost(words: readonly string[], folder: string, limitSeconds = 600): Cost | null {
  const startedMs = performance.now();
  // Bash's own `time` counts in milliseconds; /usr/bin/time in hundredths, too coarse for a no-op.
  const timed = ['-c', 'TIMEFORMAT="%3U %3S"; time "$@"', 'bash', ...words];
  const done = spawnSync('bash', timed, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: limitSeconds * 1000,
    maxBuffer: 2 ** 28,
  });
  if (done.status !== 0) return null;
  const clock = (performance.now() - startedMs) / 1000;
  const [user, system] = done.stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
  return { cpu: user! + system!, clock };
}

/** Of so many measurements the one with the least CPU. */
export function least(repeats: number, measure: () => Cost | null): Cost | null {
  let best: Cost | null = null;
  for (let count = 0; count < repeats; count++) {
    const found = measure();
    if (!found) return null;
    if (!best || found.cpu < best.cpu) best = found;
  }
  return best;
}

/** Peak resident memory of one process of the command. */
export function peakMb(words: readonly string[], folder: string): number {
  const done = spawnSync('/usr/bin/time', ['-f', '%M', ...words], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return Number.parseInt(done.stderr.trim().split('\n').at(-1) ?? '', 10) / 1024;
}
