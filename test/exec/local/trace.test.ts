// `dag run --trace`: what a shell command uses without having declared it is told; what it may use, or made itself, is not.
import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, symlinkSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { createProject, type Project } from '../../rigs/project.ts';

let p: Project;
afterEach(() => p?.remove());

function projectWith(command: string): Project {
  const lines = command
    .trim()
    .split('\n')
    .map((line) => `      ${line.trim()}\n`);
  p = createProject({
    'pipeline.yml': `tasks:\n  t:\n    run: |\n${lines.join('')}    in: { i: in, j: link }\n    out: { o: out/o }\n`,
    'in/a/b': 'b\n',
    'kept/single.txt': 's\n',
    'secret.csv': 'secret\n',
    'größe "1".csv': 'x\n',
    'tools/step.sh': '#!/bin/sh\necho step\n',
  });
  chmodSync(p.path('tools/step.sh'), 0o755);
  symlinkSync('kept/single.txt', p.path('link'));
  return p;
}

async function warningsOf(command: string): Promise<string[]> {
  const answer = await projectWith(command).dag('run', '--trace');
  expect(answer).toMatchObject({ code: 0 });
  const found = answer.stderr.matchAll(/it ((?:reads|writes) .*?) without declaring it/g);
  return [...found].map(([, what]) => what!);
}

const hasStrace = spawnSync('strace', ['-V']).status === 0;

describe.skipIf(!hasStrace)('with strace', () => {
  test.each([
    ['inputs and outputs', 'cat ${in.i}/a/b ${in.j} > ${out.o}'],
    ['inputs by the name of what they are behind a link', 'cat kept/single.txt > ${out.o}'],
    [
      'a folder as output, with folders in it',
      'mkdir -p ${out.o}/x/y; cp -r in/a ${out.o}/x/y; ls ${out.o}/x; rm -r ${out.o}/x/y',
    ],
    ['asking whether a file is there', 'test -f secret.csv; stat secret.csv nope > ${out.o} || true'],
    ['files outside the project', 'cat /etc/hosts > ${out.o}; echo > $(mktemp)'],
    [
      'what it made for itself and took away',
      'echo 1 > tmp.txt; cat tmp.txt > ${out.o}; mkdir w; echo > w/x; ls w; rm -r tmp.txt w',
    ],
    ['an edit in place, by way of another file', 'echo a > ${out.o}; sed -i s/a/b/ ${out.o}'],
  ])('%s are no matter', async (_, command) => {
    expect(await warningsOf(command)).toEqual([]);
  });

  test.each([
    ['cat secret.csv > ${out.o}', ['reads secret.csv']],
    ['cat < secret.csv > ${out.o}', ['reads secret.csv']],
    ['(cd tools; cat ../secret.csv) > ${out.o}', ['reads secret.csv']],
    ['cd tools; sh -c "cd ..; cat secret.csv & wait" > ../${out.o}', ['reads secret.csv']],
    ['./tools/step.sh > ${out.o}', ['reads tools/step.sh']],
    ['cat größe*.csv > ${out.o}', ['reads größe "1".csv']],
    ['ls tools > ${out.o}; cat tools/step.sh', ['reads tools']],
    ['echo > ${out.o}; echo > more.txt', ['writes more.txt']],
    ['echo > ${out.o}; echo >> secret.csv', ['writes secret.csv']],
    ['echo > ${out.o}; mkdir -p other/deep; echo > other/deep/x', ['writes other']],
    ['mv secret.csv ${out.o}', ['reads secret.csv']],
    ['echo > ${out.o}; ln -s in made', ['writes made']],
    ['echo 1 > ${out.o}; cp ${out.o} copy; cat copy', ['writes copy']],
  ])('%s', async (command, told) => {
    expect(await warningsOf(command)).toEqual(told);
  });

  test('they are told like those of a module task, kept in the log, and the report is taken away', async () => {
    const answer = await projectWith('cat secret.csv > ${out.o}; echo > more').dag('run', '--trace');
    expect(answer.stderr).toContain(
      'it reads secret.csv without declaring it: a change there would go unnoticed; add it to `in:`',
    );
    expect(answer.stderr).toContain(
      'nothing restores that file; add it to `out:` in pipeline.yml, or write to $TMPDIR',
    );
    expect(p.read('.dag/logs/t.log')).toContain('warning: it reads secret.csv');
    expect(readdirSync(p.path('.dag/logs'))).toEqual(['t.log']);
  });

  test('exit codes and signals are those of the command', async () => {
    const failed = await projectWith('exit 3').dag('run', '--trace');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('it ended with exit code 3');
    const killed = await projectWith('kill -KILL $$').dag('run', '--trace');
    expect(killed.stderr).toContain('SIGKILL');
  });
});

test('without strace the run does not begin, and says what to install', async () => {
  const answer = await projectWith('echo > ${out.o}').with({ PATH: '/nowhere' }).dag('run', '--trace');
  expect(answer.code).toBe(2);
  expect(answer.stderr).toBe(
    '--trace watches shell commands with strace, which is not installed\n  Debian, Ubuntu: apt-get install strace; Fedora: dnf install strace\n',
  );
  expect(() => p.read('out/o')).toThrow();
});
