// Increments in the imaging pipeline: one more study in a prepared set is the only one that is read and drawn.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readMetadataColumns } from '../../../tasks/tables/metadata.ts';
import { createPipelineProject, type Project } from '../../rigs/project.ts';
import { runTask } from '../../rigs/task.ts';

const NODES = ['metadata[split=test]', 'triplets[split=test]', 'png[split=test]'];
let p: Project;
let held: string[];

/** A set of DICOM files without labels, one study of which is held back. */
beforeAll(async () => {
  p = createPipelineProject();
  const params = { patients: 7, size: 64, shuffle_labels: false, seed: 3, stage: 'stage_2' };
  await runTask('tasks/phantom.ts', { params, out: { data: p.path('phantom') } });
  cpSync(p.path('phantom/stage_2_train'), p.path('images'), { recursive: true });
  mkdirSync(p.path('held'));
  const [table, quarantine, card] = ['all.parquet', 'all.json', 'card.json'].map(p.path) as [string, string, string];
  await runTask('tasks/metadata.ts', {
    params: { strict: false },
    in: { images: p.path('images') },
    out: { table, quarantine, card },
  });
  const rows = await readMetadataColumns(table, ['Image', 'StudyInstanceUID']);
  const study = rows[20]!.StudyInstanceUID;
  held = rows.filter((row) => row.StudyInstanceUID === study).map((row) => `${row.Image}.dcm`);
  for (const file of held) renameSync(p.path(`images/${file}`), p.path(`held/${file}`));
});
afterAll(() => p.remove());

async function run(...words: string[]): Promise<readonly string[]> {
  const { ran, failed } = await p.run(...NODES, '--only', '--profile', 'infer', '--set', 'data=images', ...words);
  expect(failed).toEqual([]);
  return ran;
}

const logOf = async (node: string) => (await p.dag('log', node, '--profile', 'infer', '--set', 'data=images')).stdout;

function artifacts(): Record<string, Buffer> {
  const found: Record<string, Buffer> = {};
  for (const entry of readdirSync(p.path('out'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    found[path.relative(p.path('out'), file)] = readFileSync(file);
  }
  return found;
}

test('a study added to a prepared set is the only one processed, and the log says so', async () => {
  expect(await run()).toEqual(NODES);
  const before = Object.keys(artifacts()).length;
  const prepared = readdirSync(p.path('images')).length;
  for (const file of held) renameSync(p.path(`held/${file}`), p.path(`images/${file}`));

  expect(await run()).toEqual(NODES);
  expect(await logOf('metadata[split=test]')).toContain(
    `${held.length} of ${prepared + held.length} files are new or changed\n`,
  );
  expect(await logOf('png[split=test]')).toMatch(/^1 of \d+ studies are new or changed$/m);
  const grown = artifacts();
  expect(Object.keys(grown)).toHaveLength(before + 2 * held.length);

  await run('--force');
  expect(await logOf('png[split=test]')).not.toContain('1 of');
  expect(artifacts()).toEqual(grown);
});

test('a slice that is gone redoes its study, and its pictures go', async () => {
  const [slice] = held;
  renameSync(p.path(`images/${slice}`), p.path(`held/${slice}`));
  await run();
  expect(await logOf('metadata[split=test]')).toMatch(/^0 of \d+ files are new or changed, 1 are gone$/m);
  expect(await logOf('png[split=test]')).toMatch(/^1 of \d+ studies are new or changed$/m);
  const shrunk = artifacts();
  expect(Object.keys(shrunk).filter((file) => file.includes(slice!.replace('.dcm', '')))).toEqual([]);
  await run('--force');
  expect(artifacts()).toEqual(shrunk);
});
