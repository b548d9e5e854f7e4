// Warm shells against `sh -eu -c`: a command must not be able to tell, but for what shells.ts says.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Running } from '../../../engine/exec/executor.ts';
import { noPidFiles } from '../../../engine/exec/local/pidFiles.ts';
import { createMemoryWatch } from '../../../engine/exec/local/processGroup.ts';
import { createShells, type Shells } from '../../../engine/exec/local/shells.ts';
import type { Failure } from '../../../engine/model/event.ts';

let root: string;
let shells: Shells;
let count = 0;
const NOTHING = { cores: 1, memoryBytes: 0, gpus: [] };
beforeAll(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'dag-shell-'));
  mkdirSync(path.join(root, 'logs'));
  shells = createShells(root, createMemoryWatch(), noPidFiles, null);
});
afterAll(() => {
  shells.close();
  rmSync(root, { recursive: true, force: true });
});

function start(command: string, environment: Record<string, string> = {}, timeoutMs: number | null = null) {
  const log = path.join(root, 'logs', `${count++}.log`);
  const work = { kind: 'shell', command, declared: { inputs: [], own: [], scratch: '' } } as const;
  const launch = { root, log, allotment: NOTHING, environment, work, timeoutMs, onMessage() {} };
  const running = shells.launch(launch, work);
  return { running, log };
}

async function run(
  command: string,
  environment?: Record<string, string>,
): Promise<{ failure: Failure | null; output: string }> {
  const { running, log } = start(command, environment);
  const failure = await running.ended;
  return { failure, output: readFileSync(log, 'utf8') };
}

describe('a shell command', () => {
  test.each([
    ["echo 'it''s' \"two  words\"", 'its two  words\n'],
    ['printf "%s\\n" a\\\\b', 'a\\b\n'],
    ['for i in 1 2; do\n  echo $i # not a comment for long\ndone', '1\n2\n'],
    ['cat <<END\nhere $((1+2))\nEND', 'here 3\n'],
    ['read line || echo no input', 'no input\n'],
    ['echo out; echo err >&2', 'out\nerr\n'],
  ])('%j prints %j', async (command, output) => {
    expect(await run(command)).toEqual({ failure: null, output });
  });

  test('stops at the first command that fails, and at an unset variable', async () => {
    expect((await run('false; echo never')).output).toBe('');
    expect((await run('echo $NOT_SET; echo never')).failure?.message).toContain('exit code');
  });

  test('leaves no variable, function, trap or folder behind for the next one', async () => {
    await run('X=1; f() { :; }; cd /; trap "echo bye" EXIT; set +e');
    expect((await run('echo "${X-none}"; pwd; command -v f || echo no f')).output).toBe(`none\n${root}\nno f\n`);
  });

  test('sees the variables that were set for it, and only it', async () => {
    expect((await run('echo $GIVEN', { GIVEN: "a 'b' $c" })).output).toBe("a 'b' $c\n");
    expect((await run('echo "${GIVEN-none}"')).output).toBe('none\n');
  });

  test('a syntax error is the failure of that command, and the next one runs', async () => {
    const { failure, output } = await run('if true; then echo');
    expect(failure?.message).toBe('it ended with exit code 2');
    expect(output).toMatch(/[Ss]yntax error/);
    expect(await run('echo fine')).toEqual({ failure: null, output: 'fine\n' });
  });

  test('text of any kind arrives as it was written', async () => {
    const word = fc.string({ unit: fc.constantFrom(...'ab \'"\\$`!*?\n\t;|<>(){}[]#~é'), maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(word, async (text) => {
        const quoted = `'${text.replaceAll("'", "'\\''")}'`;
        const command = `printf '%s.' ${quoted}`;
        const expected = execFileSync('/bin/sh', ['-eu', '-c', command], { encoding: 'utf8' });
        expect((await run(command)).output).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });

  test('what it leaves in the background ends with it', async () => {
    const { output } = await run('sleep 1000 & echo $!');
    // Who is killed is gone when it is next given a core.
    await expect.poll(() => stateOf(output.trim())).toMatch(/^Z?$/);
  });
});

/** One letter, as `ps` has it: Z is dead and not yet reaped by its new parent. Empty when there is no such process. */
function stateOf(pid: string): string {
  try {
    return execFileSync('ps', ['-o', 'state=', '-p', pid], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

const untilItPrints = async (log: string, text: string) => {
  for (;;) {
    const found = readFileSync(log, { encoding: 'utf8', flag: 'a+' });
    if (found.includes(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('ending a shell command', () => {
  async function started(command: string): Promise<{ running: Running; log: string }> {
    const made = start(`echo started; ${command}`);
    await untilItPrints(made.log, 'started');
    return made;
  }

  test('stop lets it clean up', async () => {
    const { running, log } = await started('trap "echo cleaning; exit 9" TERM; while true; do sleep 0.01; done');
    running.stop('interrupted');
    expect((await running.ended)?.message).toBe('it ended with exit code 9');
    expect(readFileSync(log, 'utf8')).toContain('cleaning\n');
  });

  test('kill ends it and all that it started', async () => {
    const { running } = await started('trap "" TERM; sleep 1000');
    running.stop('interrupted');
    running.kill();
    expect((await running.ended)?.message).toBe('it was ended by SIGKILL');
  });

  test('a time limit kills it and says so', async () => {
    const { running } = start('sleep 1000', {}, 100);
    expect((await running.ended)?.message).toBe('it ran longer than its timeout of 0.1 s and was killed');
  });

  test('its death by a signal is not its exit code', async () => {
    expect((await run("kill -SEGV $(sh -c 'echo $PPID')")).failure).toMatchObject({
      cause: 'infrastructure',
      message: 'it was ended by SIGSEGV',
    });
  });
});
