// `dag init` and `dag schema`: what they write is what the loader takes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { init } from '../../engine/cli/commands/init.ts';
import { schema } from '../../engine/cli/commands/schema.ts';
import { RESOURCE_KEYS, TASK_KEYS, TOP_KEYS } from '../../engine/load/check.ts';
import { formatDiagnostics } from '../../engine/load/diagnostic.ts';
import { loadPipeline } from '../../engine/load/load.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dag-init-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('init writes a pipeline that loads, with shell and module tasks', async () => {
  const made = await init(dir);
  if (!made.ok) throw new Error(made.error.message);
  const file = join(dir, 'pipeline.yml');
  const loaded = loadPipeline({ root: dir, file });
  if (!loaded.ok)
    throw new Error(formatDiagnostics(loaded.error, () => readFileSync(file, 'utf8'), { color: false, cwd: dir }));
  expect(loaded.value.nodes.map((node) => [node.name, node.action.kind])).toEqual([
    ['draw', 'shell'],
    ['mean[group=north]', 'module'],
    ['mean[group=south]', 'module'],
    ['report', 'module'],
  ]);
});

test("init's modules import what they use and run by the task contract", async () => {
  await init(dir);
  const outputs: Record<string, string> = { json: join(dir, 'north.json'), text: join(dir, 'report.md') };
  const csv = join(dir, 'values.csv');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(csv, 'group,value\nnorth,1\nsouth,5\nnorth,2\n');
  const context = {
    params: { group: 'north' },
    input: () => csv,
    inputs: () => [{ path: outputs.json }],
    output: (name: string) => outputs[name]!,
    warn: () => undefined,
  };
  for (const task of ['mean', 'report']) (await import(join(dir, `tasks/${task}.mjs`))).default.run(context);
  expect(readFileSync(outputs.text!, 'utf8')).toBe('| group | rows | mean |\n|---|---|---|\n| north | 2 | 1.500 |\n');
});

test('init does not write over anything', async () => {
  await init(dir);
  const again = await init(dir);
  expect(again.ok).toBe(false);
});

test('the schema knows exactly the keys that the loader knows', async () => {
  const { properties } = JSON.parse(await schema());
  const task = properties.tasks.additionalProperties.properties;
  expect(Object.keys(properties).sort()).toEqual([...TOP_KEYS].sort());
  expect(Object.keys(task).sort()).toEqual([...TASK_KEYS].sort());
  expect(Object.keys(task.resources.properties).sort()).toEqual([...RESOURCE_KEYS].sort());
});
