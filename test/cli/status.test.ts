// dag status says how a stale node failed last, until something better happens to it.
import { afterEach, expect, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';
import { began, go, handHeld } from './rig.ts';

let p: Project;
afterEach(() => p?.remove());

const failureOf = async () => {
  const { stdout } = await p.dag('status', '--json');
  const { nodes } = JSON.parse(stdout) as { nodes: { name: string; failure: unknown }[] };
  return nodes.find(({ name }) => name === 'bad')!.failure;
};

test('a failure is shown with its time, what it was and its log, until the node is well', async () => {
  p = createProject({
    'pipeline.yml':
      'tasks:\n  good: { run: "echo > ${out.o}", out: { o: out/g } }\n  bad: { run: "cat no-such 2>&1; echo > ${out.o}", out: { o: out/b } }\n',
  });
  expect(await failureOf()).toBeNull();
  await p.dag('run', '--keep-going');
  const { stdout } = await p.dag('status');
  expect(stdout).toMatch(
    /^fresh +good\nstale +bad +it never ran\n +failed 20\d\d-.*: it ended with exit code 1; log: \.dag\/logs\/bad\.log\n/,
  );
  expect(await failureOf()).toMatchObject({ message: 'it ended with exit code 1', log: p.path('.dag/logs/bad.log') });

  p.write('no-such', '');
  await p.dag('run');
  p.edit('pipeline.yml', '2>&1', '');
  expect(await failureOf()).toBeNull();
});

test('a node that runs in another terminal is told so', async () => {
  p = createProject({
    'pipeline.yml': `tasks: { t: { run: "${handHeld('t')}; echo > \${out.o}", out: { o: out/o } } }\n`,
  });
  const run = p.dag('run');
  await began(p, 't');
  expect((await p.dag('status')).stdout).toMatch(/^running t {2}since 20\d\d-/);
  expect((await p.status())[0]).toMatchObject({ state: 'stale', running: true });
  go(p, 't');
  await run;
  expect((await p.status())[0]).toMatchObject({ state: 'fresh', running: false });
});
