// Our metadata, triplets and decoded PNG pixels against test/oracles/imaging/oracle.py. Where Debian's Python with pydicom
// and SciPy is installed the oracle runs now; anywhere else its digests, kept in golden.json, take its place. ORACLE_PATIENTS=60
// makes the set a thousand slices.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { PNG_KINDS } from '../../tasks/imaging/render.ts';
import { readCsv } from '../../tasks/tables/csv.ts';
import { type MetadataRow, readMetadata } from '../../tasks/tables/metadata.ts';
import { projectRoot, runTask, type TaskResult } from '../rigs/task.ts';
import { makeDataset } from './dataset.ts';

interface Result {
  readonly metadata: Record<string, unknown>[];
  readonly triplets: string[][];
  readonly png: Record<string, Record<string, { shape: number[]; sha256: string }>>;
}

const PYTHON = '/usr/bin/python3';
const oracleFolder = join(projectRoot, 'test/oracles/imaging');
const golden = join(oracleFolder, 'golden.json');
const hasPython = spawnSync(PYTHON, ['-c', 'import pydicom, scipy.ndimage']).status === 0;

const PATIENTS = Number(process.env.ORACLE_PATIENTS ?? 6);

const scratch = mkdtempSync(join(tmpdir(), 'dag-oracle-'));
const images = join(scratch, 'images');
let expectedWarnings: string[];
let metadataRun: TaskResult;
let rows: MetadataRow[];
let ours: Result;

beforeAll(async () => {
  expectedWarnings = await makeDataset(images, scratch, PATIENTS);
  const [table, triplets] = [join(scratch, 'table.parquet'), join(scratch, 'triplets.csv')];
  metadataRun = await runTask('tasks/metadata.ts', {
    params: { strict: false },
    in: { images },
    out: { table, quarantine: join(scratch, 'quarantine.json'), card: join(scratch, 'card.json') },
    cores: 2,
  });
  await runTask('tasks/triplets.ts', { in: { table }, out: { csv: triplets } });
  rows = await readMetadata(table);
  const png: Result['png'] = {};
  const folder = join(scratch, 'png');
  await runTask('tasks/png.ts', {
    params: { kinds: PNG_KINDS, strict: false },
    in: { images, table, triplets },
    out: { images: folder },
    cores: 2,
  });
  for (const kind of PNG_KINDS) {
    png[kind] = {};
    for (const { Image } of rows) png[kind][Image] = await pixelsOf(join(folder, kind, `${Image}.png`));
  }
  ours = { metadata: rows as unknown as Result['metadata'], triplets: readCsv(triplets).rows, png };
});

async function pixelsOf(path: string) {
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  const sha256 = createHash('sha256').update(data).digest('hex');
  return { shape: [info.height, info.width, info.channels], sha256 };
}

function digests({ metadata, triplets, png }: Result) {
  const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
  const sorted = (row: Record<string, unknown>) => Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
  const short = (kind: Result['png'][string]) =>
    Object.fromEntries(
      Object.entries(kind)
        .sort()
        .map(([image, { shape, sha256 }]) => [image, `${shape} ${sha256.slice(0, 16)}`]),
    );
  return {
    metadata: Object.fromEntries(metadata.map((row) => [row.Image as string, digest(sorted(row))])),
    triplets: digest(triplets),
    png: Object.fromEntries(Object.entries(png).map(([kind, value]) => [kind, short(value)])),
  };
}

describe('the imaging pipeline', () => {
  it('covers all three pixel conventions, both directions of padding and an all-air slice', () => {
    const conventions = new Set(
      rows.map((row) => `${row.BitsStored}/${row.PixelRepresentation}/${(row.RescaleIntercept ?? 0) > -100}`),
    );
    expect([...conventions].sort()).toEqual(expect.arrayContaining(['12/0/false', '12/0/true', '16/1/false']));
    expect(rows.some((row) => row.Rows > row.Columns) && rows.some((row) => row.Rows < row.Columns)).toBe(true);
    expect(ours.png.adjacent_hu!.air).toEqual(ours.png.adjacent_hu!.short_pixels); // Both 512 x 512 zeros.
  });

  it('warns once about each file that it cannot use', () => {
    expect(metadataRun.warnings).toEqual(expectedWarnings);
  });

  it.runIf(hasPython)('equals the Python oracle in every metadata cell, triplet and pixel', () => {
    const text = execFileSync(PYTHON, [join(oracleFolder, 'oracle.py'), images], { maxBuffer: 1 << 28 }).toString();
    const oracle = JSON.parse(text) as Result;
    if (process.env.UPDATE_GOLDEN) writeFileSync(golden, `${JSON.stringify(digests(oracle), null, 1)}\n`);
    expect(ours.metadata).toEqual(oracle.metadata);
    expect(ours.triplets).toEqual(oracle.triplets);
    expect(ours.png).toEqual(oracle.png);
  });

  it.skipIf(PATIENTS !== 6)('equals the digests that the Python oracle left in golden.json', () => {
    expect(digests(ours)).toEqual(JSON.parse(readFileSync(golden, 'utf8')));
  });
});
