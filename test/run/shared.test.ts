// Two projects on one cache: results are common, what was last made under a name is each project's own.
import { afterEach, expect, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';

const projects: Project[] = [];
afterEach(() => {
  for (const project of projects.splice(0)) project.remove();
});

function project(value: string): Project {
  const made = createProject({
    'pipeline.yml': `
params: { value: ${value} }
tasks:
  a: { run: "echo ${'$'}{params.value} > ${'$'}{out.o}", params: { value: "${'$'}{value}" }, out: { o: out/o } }
`,
  });
  projects.push(made);
  return made.with({ DAG_CACHE: projects[0]!.path('shared') });
}

test('why names the value that this project had, whatever others made under the name meanwhile', async () => {
  const ours = project('one');
  const theirs = project('two');
  expect((await ours.run()).ran).toEqual(['a']);
  expect((await theirs.run()).ran).toEqual(['a']);
  ours.edit('pipeline.yml', 'value: one', 'value: three');
  const why = (await ours.dag('why', 'a')).stdout;
  expect(why).toContain('one');
  expect(why).not.toContain('two');
});

test('results are common, and what is present in one project is kept by gc in another', async () => {
  const ours = project('one');
  const theirs = project('two');
  const twin = project('one');
  await ours.run();
  await theirs.run();
  expect((await twin.run()).restored).toEqual(['a']);
  expect((await theirs.dag('gc', '--keep-runs', '0')).code).toBe(0);
  ours.edit('pipeline.yml', 'value: one', 'value: three');
  await ours.run();
  ours.edit('pipeline.yml', 'value: three', 'value: one');
  expect((await ours.run()).restored).toEqual(['a']);
});
