// The metadata table as others read it: DuckDB and pandas, where there is a Python with both (and pyarrow): .ci/run makes one. What is
// written, hyparquet reads back everywhere.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { rowOf } from '../../bench/preparation/rows.ts';
import { createMetadata, METADATA_COLUMNS, type MetadataRow, readMetadata } from '../../tasks/tables/metadata.ts';
import { projectRoot } from '../rigs/task.ts';

const PYTHON = ['node_modules/.cache/dag-python/bin/python', 'python3', '/usr/bin/python3'].find(
  (python) => spawnSync(python, ['-c', 'import duckdb, pandas, pyarrow'], { cwd: projectRoot }).status === 0,
);
const script = join(import.meta.dirname, '../oracles/tables/read.py');
const path = join(mkdtempSync(join(tmpdir(), 'dag-parquet-')), 'table.parquet');

// Three row groups; text beyond ASCII, empty text, nulls in integers, numbers and text, numbers that no float32 holds.
const rows: MetadataRow[] = Array.from({ length: 40_000 }, (_, k) => ({
  ...rowOf(k),
  PatientID: k % 4 === 0 ? 'Jørgen' : `p${k}`,
  StudyID: k % 3 === 0 ? null : '',
  HighBit: k % 5 === 0 ? null : 11,
  WindowWidth: k % 2 === 0 ? null : 80.1 + k / 3,
}));

beforeAll(async () => {
  const table = await createMetadata(path);
  for (let from = 0; from < rows.length; from += 999) await table.append(rows.slice(from, from + 999));
  await table.close();
});

const inOrder = (row: Partial<MetadataRow>) => METADATA_COLUMNS.map((name) => row[name as keyof MetadataRow]);

it('is read back as it was written', async () => {
  expect((await readMetadata(path)).map(inOrder)).toEqual(rows.map(inOrder));
});

it.runIf(PYTHON)('opens in DuckDB and pandas with the right types and values', () => {
  const seen = JSON.parse(execFileSync(PYTHON!, [script, path], { cwd: projectRoot }).toString());
  expect(seen.count).toEqual([rows.length, rows.length]);
  expect(Object.keys(seen.types)).toEqual(METADATA_COLUMNS);
  expect(seen.types).toMatchObject({ Rows: 'INTEGER', RescaleSlope: 'DOUBLE', Image: 'VARCHAR', HighBit: 'INTEGER' });
  // pandas has no integers with holes in them but as floats.
  expect(seen.dtypes).toMatchObject({ Rows: 'int32', RescaleSlope: 'float64', HighBit: 'float64' });
  const wanted = [rows[0]!, rows[1]!, rows[2]!, rows.at(-1)!].map(inOrder);
  expect(seen.duckdb.map(inOrder)).toEqual(wanted);
  expect(seen.pandas.map(inOrder)).toEqual(wanted);
});
