// Runs started together: on one project they queue, on a shared cache they share the work. Every node runs once.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';

const open: Project[] = [];
afterEach(() => {
  for (const project of open.splice(0)) project.remove();
});

/** Each node writes its name down where $RAN says, the same for all. */
const PIPELINE = `tasks:
  a: { run: "echo a$\{k} >> $RAN; cat \${in.i} > \${out.o}", matrix: { k: { range: 12 } }, in: { i: source.txt }, out: { o: "out/a\${k}" } }
  b: { run: "echo b\${k} >> $RAN; cat \${in.i} > \${out.o}", matrix: { k: { range: 12 } }, in: { i: "\${a.o}" }, out: { o: "out/b\${k}" } }
  c: { run: "echo c >> $RAN; cat \${in.i} > \${out.o}", in: { i: "\${b.o}" }, out: { o: out/c } }
`;
const NODES = 25;

function project(pipeline = PIPELINE): Project {
  const made = createProject({ 'pipeline.yml': pipeline, 'source.txt': 'hello\n' });
  open.push(made);
  return made;
}

function ran(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').sort() : [];
}

test('four runs of one project started together run every node once', async () => {
  const p = project();
  const file = p.path('ran.txt');
  const summaries = await Promise.all([1, 2, 3, 4].map(() => p.with({ RAN: file }).run()));
  for (const summary of summaries) expect(summary).toMatchObject({ ok: true, failed: [] });
  expect(new Set(ran(file)).size).toBe(NODES);
  expect(ran(file)).toHaveLength(NODES);
});

test('four projects that share a cache, started together, run every node once between them', async () => {
  const projects = [1, 2, 3, 4].map(() => project());
  const file = projects[0]!.path('ran.txt');
  const shared = { RAN: file, DAG_CACHE: projects[0]!.path('cache') };
  const summaries = await Promise.all(projects.map((p) => p.with(shared).run()));
  for (const summary of summaries) expect(summary).toMatchObject({ ok: true, failed: [] });
  expect(ran(file)).toHaveLength(NODES);
  expect(summaries.flatMap((summary) => summary.ran)).toHaveLength(NODES);
  for (const p of projects) expect(p.read('out/c')).toBe('hello\n'.repeat(12));
});

test('when the run that has a node is killed, the one that waits for it takes over', async () => {
  const held =
    'tasks: { a: { run: "echo a >> $RAN; cat gate; cat ${in.i} > ${out.o}", in: { i: source.txt }, out: { o: out/a } } }\n';
  const [first, second] = [project(held), project(held)];
  const shared = { RAN: path.join(first.root, 'ran.txt'), DAG_CACHE: first.path('cache') };
  const gate = first.path('gate');
  execFileSync('mkfifo', [gate]);
  writeFileSync(second.path('gate'), '');
  const owner = first.with(shared).dag('run');
  await first.until('ran.txt');
  const waiter = second.with(shared).dag('run');
  await waiter.prints('which runs the same');
  owner.signal('SIGKILL');
  await owner;
  expect((await waiter).code).toBe(0);
  expect(ran(shared.RAN)).toEqual(['a', 'a']);
  expect(second.read('out/a')).toBe('hello\n');
  // The killed run's command still waits at its gate: let it end.
  closeSync(openSync(gate, 'r+'));
  rmSync(gate);
});
