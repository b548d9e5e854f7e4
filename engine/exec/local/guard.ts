// Nothing that a run started outlives it. A small shell, one a run, is told through a pipe which process groups are at work. The pipe
// closes when the engine ends, however it ends (SIGKILL, the kernel short of memory, a defect): then what is at work is asked to end,
// and killed after a grace. Out of reach is what made a session of its own (`setsid`); what is left when this shell is killed too, the
// next run ends (orphans.ts). Turned down: shells that watch over their own commands, at the cost of a process a command.
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { PidFiles } from './pidFiles.ts';

/** Lines on stdin: `+ GROUP` begins, `- GROUP` has ended, anything else is the engine's goodbye. */
const SCRIPT = `
trap '' HUP INT TERM
groups=
while read -r sign group; do
  case $sign in
    +) groups="$groups $group " ;;
    -) groups="\${groups%% $group *}\${groups#* $group }" ;;
    *) exit ;;
  esac
done
for group in $groups; do kill -TERM "-$group"; done
for second in 1 2 3; do
  left=
  for group in $groups; do kill -0 "-$group" && left="$left $group"; done
  groups=$left
  [ -n "$groups" ] || exit
  sleep 1
done
for group in $groups; do kill -KILL "-$group"; done
`;

export interface Guard extends PidFiles {
  /** Before the first process is started, so that none is at work unguarded. */
  begin(): void;
}

export function createGuard(): Guard {
  let pipe: Writable | null = null;
  return {
    begin() {
      pipe ??= startShell();
    },
    add(child) {
      if (child.pid === undefined) return;
      pipe?.write(`+ ${child.pid}\n`);
      child.once('exit', () => pipe?.write(`- ${child.pid}\n`));
    },
    clear() {
      pipe?.end('.\n');
      pipe = null;
    },
  };
}

function startShell(): Writable {
  // Not in the project's folder: its file system can be unmounted meanwhile.
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'dag-guard'], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  shell.on('error', () => {});
  return shell.stdin.on('error', () => {});
}
