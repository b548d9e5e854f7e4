// The engine in a minute: small projects, the real command line, and exactly which nodes ran.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openProject } from './rigs/project.ts';

const TWO_STEPS = {
  'pipeline.yml': `
params: { word: hello, times: 2 }
tasks:
  shout:
    run: "tr a-z A-Z < \${in.text} > \${out.text}"
    in: { text: input.txt }
    out: { text: out/shout.txt }
  repeat:
    use: tasks/repeat.ts
    in: { text: "\${shout.text}" }
    params: { times: "\${times}" }
    out: { text: out/repeat.txt }
`,
  'input.txt': 'hello\n',
  'tasks/repeat.ts': `
import { readFileSync, writeFileSync } from 'node:fs';
import { again } from './again.ts';

export default {
  run(ctx: any) {
    const text = readFileSync(ctx.input('text'), 'utf8');
    writeFileSync(ctx.output('text'), again(text, ctx.params.times));
  },
};
`,
  'tasks/again.ts': `
export function again(text: string, times: number): string {
  const parts = [];
  for (let i = 0; i < times; i++) parts.push(text);
  return parts.join('');
}
export const unused = 1;
`,
};

describe('a run', () => {
  test('builds everything once, then nothing', async () => {
    const p = openProject(TWO_STEPS);
    expect(await p.run()).toMatchObject({
      schemaVersion: 1,
      ok: true,
      ran: ['shout', 'repeat'],
      restored: [],
      fresh: [],
      failed: [],
    });
    expect(p.read('out/repeat.txt')).toBe('HELLO\nHELLO\n');
    expect(await p.run()).toMatchObject({ ok: true, ran: [], restored: [], fresh: ['shout', 'repeat'] });
  });

  test('a comment, a renamed local and an edit to an unused export leave everything fresh', async () => {
    const p = openProject(TWO_STEPS);
    await p.run();
    p.edit('tasks/repeat.ts', 'const text', '// Reads it.\n    const text');
    p.edit('tasks/again.ts', /parts/g, 'pieces');
    p.edit('tasks/again.ts', 'unused = 1', 'unused = 2');
    expect((await p.run()).ran).toEqual([]);
  });

  test('an edit that reaches the task reruns it, and why names the file', async () => {
    const p = openProject(TWO_STEPS);
    await p.run();
    p.edit('tasks/again.ts', "join('')", "join('-')");
    expect((await p.dag('why', 'repeat')).stdout).toContain('code tasks/again.ts');
    expect((await p.run()).ran).toEqual(['repeat']);
    expect(p.read('out/repeat.txt')).toBe('HELLO\n-HELLO\n');
  });

  test('a parameter reruns the nodes that refer to it, and putting it back restores them without running', async () => {
    const p = openProject(TWO_STEPS);
    await p.run();
    expect((await p.dag('why', 'repeat', '--set', 'times=3')).stdout).toContain('parameter times: 2 → 3');
    expect((await p.run('--set', 'times=3')).ran).toEqual(['repeat']);
    expect((await p.run('--set', 'word=other', '--set', 'times=3')).ran).toEqual([]);
    expect(await p.run()).toMatchObject({ ran: [], restored: ['repeat'] });
    expect(p.read('out/repeat.txt')).toBe('HELLO\nHELLO\n');
  });

  test('an upstream rerun with equal output stops there', async () => {
    const p = openProject(TWO_STEPS);
    await p.run();
    p.write('input.txt', 'Hello\n');
    expect(await p.run()).toMatchObject({ ran: ['shout'], fresh: ['repeat'] });
  });

  test('a deleted output and an output changed by hand are restored without running', async () => {
    const p = openProject(TWO_STEPS);
    await p.run();
    rmSync(p.path('out/shout.txt'));
    expect((await p.status()).find(({ name }) => name === 'shout')).toMatchObject({
      state: 'stale',
      reasons: [{ kind: 'output-missing', name: 'out/shout.txt' }],
    });
    writeFileSync(p.path('out/repeat.txt'), 'mine', { mode: 0o644 });
    expect(await p.run()).toMatchObject({ ran: [], restored: ['shout', 'repeat'] });
    expect(p.read('out/repeat.txt')).toBe('HELLO\nHELLO\n');
  });

  test('--only and a selector build that node alone, --force runs it again', async () => {
    const p = openProject(TWO_STEPS);
    expect((await p.run('shout')).ran).toEqual(['shout']);
    expect((await p.run('repeat', '--only')).ran).toEqual(['repeat']);
    expect(await p.run('repeat', '--force')).toMatchObject({ ran: ['repeat'], fresh: ['shout'] });
  });
});

describe('a failure', () => {
  test('ends with exit code 1, shows the log, blocks what needs it and records nothing', async () => {
    const p = openProject(TWO_STEPS);
    p.edit('tasks/again.ts', 'const parts', "if (times === 2) throw new Error('no twos here');\n  const parts");
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('repeat: no twos here');
    expect(answer.stderr).toContain('tasks/again.ts:3');
    expect((await p.run('--set', 'times=3')).ran).toEqual(['repeat']);
    expect((await p.dag('run')).code).toBe(1);
  });

  test('a task that does not write its output fails and says so', async () => {
    const p = openProject(TWO_STEPS);
    p.edit('pipeline.yml', '> ${out.text}', '> /dev/null');
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('did not write its output text (out/shout.txt)');
  });

  test('wrong input found by a task ends with exit code 2 and no stack', async () => {
    const p = openProject(TWO_STEPS);
    p.edit(
      'tasks/again.ts',
      'const parts',
      "throw Object.assign(new Error('line 3: not a word'), { name: 'InputError' });\n  const parts",
    );
    const answer = await p.dag('run');
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('repeat: line 3: not a word');
    expect(answer.stderr).not.toContain('at again');
  });

  test('a missing source file ends with exit code 2 before anything runs', async () => {
    const p = openProject(TWO_STEPS);
    rmSync(p.path('input.txt'));
    const answer = await p.dag('run');
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('the input input.txt of shout does not exist');
  });

  test('plan tells all missing source files, also of nodes that wait for others, in the words in which run refuses', async () => {
    const p = openProject({
      'pipeline.yml': `
tasks:
  first: { run: "echo a > \${out.x}", out: { x: out/first } }
  second: { run: "cat \${in.x} \${in.y}", in: { x: "\${first.x}", y: weights.bin }, out: { z: out/second } }`,
    });
    const answer = await p.dag('plan');
    expect(answer.code).toBe(0);
    expect(answer.stdout).toContain(
      'run     second  its input weights.bin does not exist; it never ran; waits for first',
    );
    expect(answer.stderr).toBe((await p.dag('run')).stderr);
    expect((await p.dag('why', 'second')).stdout).toContain('its input weights.bin does not exist');
    expect(JSON.parse((await p.dag('plan', '--json')).stdout).missing).toEqual(['weights.bin']);
  });

  test('--keep-going runs what does not depend on the failure', async () => {
    const p = openProject({
      'pipeline.yml': `
tasks:
  bad: { run: "exit 3", out: { x: out/bad } }
  after: { run: "cp \${in.x} \${out.x}", in: { x: "\${bad.x}" }, out: { x: out/after } }
  slow: { run: "echo x > \${out.x}", after: [], out: { x: out/slow } }
  next: { run: "cp \${in.x} \${out.x}", in: { x: "\${slow.x}" }, out: { x: out/next } }
`,
    });
    const summary = await p.run('--keep-going', '--jobs', '1');
    expect(summary).toMatchObject({ ok: false, failed: ['bad'], ran: ['slow', 'next'] });
  });

  test('an input that changes while the node runs means no record', async () => {
    const p = openProject({
      'pipeline.yml': `
tasks:
  copy: { run: "cp \${in.x} \${out.x}; echo more >> input.txt", in: { x: input.txt }, out: { x: out/copy } }
`,
      'input.txt': 'one\n',
    });
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('its input input.txt changed while it ran');
    expect((await p.status())[0]!.state).toBe('stale');
  });
});

describe('a wrong pipeline.yml', () => {
  test.each([
    ['a misspelt reference', '${shout.text}', '${shuot.text}', /pipeline\.yml:10:\d+ .*shuot[\s\S]*shout/],
    [
      'a cycle',
      'in: { text: input.txt }',
      'in: { text: "${repeat.text}" }',
      /shout → repeat → shout|repeat → shout → repeat/,
    ],
    ['a bad matrix', 'use: tasks/repeat.ts', 'use: tasks/repeat.ts\n    matrix: { n: 3 }', /pipeline\.yml:10:\d+ /],
    ['an unknown key', 'use: tasks/repeat.ts', 'use: tasks/repeat.ts\n    inputs: {}', /pipeline\.yml:10:\d+ .*inputs/],
  ])('%s ends with exit code 2 and its place, and nothing is written', async (_, before, after, message) => {
    const p = openProject(TWO_STEPS);
    p.edit('pipeline.yml', before, after);
    const answer = await p.dag('run');
    expect(answer.code).toBe(2);
    expect(answer.stderr).toMatch(message);
    expect(existsSync(p.path('.dag'))).toBe(false);
    expect(existsSync(p.path('out'))).toBe(false);
  });

  test('every error is shown at once', async () => {
    const p = openProject(TWO_STEPS);
    p.edit('pipeline.yml', '${shout.text}', '${shuot.text}');
    p.edit('pipeline.yml', '${times}', '${time}');
    const { stderr } = await p.dag('plan');
    expect(stderr).toContain('shuot');
    expect(stderr).toContain('times');
  });
});

describe('the command line', () => {
  test.each([
    ['an unknown command', ['rnu']],
    ['an unknown flag', ['run', '--forse']],
    ['a selector that names nothing', ['run', 'shuot']],
    ['a --set of a parameter that does not exist', ['run', '--set', 'tmies=3']],
    ['a folder without a pipeline', ['run', '-C', '/']],
  ])('%s ends with exit code 2 and one message', async (_, words) => {
    const answer = await openProject(TWO_STEPS).dag(...words);
    expect(answer.code).toBe(2);
    expect(answer.stdout).toBe('');
    expect(answer.stderr).not.toContain('    at ');
    expect(answer.stderr.trim().length).toBeGreaterThan(10);
  });

  test('with --json, stdout is one object and nothing else', async () => {
    const p = openProject(TWO_STEPS);
    for (const words of [['run'], ['status'], ['plan'], ['why', 'repeat'], ['graph'], ['log', 'shout'], ['clean']]) {
      const answer = await p.dag(...words, '--json');
      expect(answer.code, words.join(' ')).toBe(0);
      expect(JSON.parse(answer.stdout), words.join(' ')).toHaveProperty('schemaVersion', 1);
    }
  });
});

test('with --only, what another node made is an input like any other, also for a run with nothing to do', async () => {
  const p = openProject(TWO_STEPS);
  await p.run();
  for (let i = 0; i < 3; i++) expect((await p.run('repeat', '--only')).ran).toEqual([]);
  p.write('out/shout.txt', 'EDITED\n');
  expect((await p.run('repeat', '--only')).ran).toEqual(['repeat']);
});
