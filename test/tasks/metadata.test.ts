import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMetadata, METADATA_COLUMNS, readMetadata } from '../../tasks/tables/metadata.ts';
import { encodeHandMade, makeDataset } from '../imaging/dataset.ts';
import { runTask } from '../rigs/task.ts';

const scratch = mkdtempSync(join(tmpdir(), 'dag-metadata-'));
const images = join(scratch, 'images');
const out = (name: string) => ({ table: join(scratch, `${name}.parquet`), quarantine: join(scratch, `${name}.json`) });
const run = (name: string, folder = images, options: { strict?: boolean; cores?: number } = {}) =>
  runTask('tasks/metadata.ts', {
    params: { strict: options.strict ?? false },
    in: { images: folder },
    out: out(name),
    cores: options.cores ?? 1,
  });

function folderOf(name: string, files: Record<string, Uint8Array | string>): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes);
  return folder;
}

const image = (name: string) => encodeHandMade({ name, rows: 8, columns: 8, pixel: () => 0, z: 1 });

let warnings: string[];
beforeAll(async () => {
  warnings = await makeDataset(images, scratch);
});

describe('the metadata task', () => {
  it('writes the same bytes in its own thread and with workers', async () => {
    const many = folderOf('many', {});
    const bytes = image('many');
    for (let i = 0; i < 8200; i++) {
      // Another image by its UID alone: the last digits, in the file meta and in the data set.
      const uid = String(i).padStart(6, '0');
      const text = bytes.toString('latin1').replaceAll(/2\.25\.\d{20}/g, (found) => found.slice(0, -6) + uid);
      writeFileSync(join(many, `ID_${uid}.dcm`), i % 100 === 7 ? 'text' : Buffer.from(text, 'latin1'));
    }
    await run('one', many);
    await run('three', many, { cores: 3 });
    for (const kind of ['table', 'quarantine'] as const) {
      expect(readFileSync(out('three')[kind]).equals(readFileSync(out('one')[kind]))).toBe(true);
    }
  });

  it('names the files it left out or zeroed, with the reason, in the quarantine list', async () => {
    await run('list');
    const list = JSON.parse(readFileSync(out('list').quarantine, 'utf8')) as {
      file: string;
      status: string;
      reason: string;
    }[];
    expect(list.map(({ file, status }) => `${file} ${status}`)).toEqual([
      'notes.txt left-out',
      'empty.dcm left-out',
      'report.dcm left-out',
      'short_header.dcm left-out',
      'short_pixels.dcm zeroed',
      'text.dcm left-out',
    ]);
    const names = (await readMetadata(out('list').table)).map((row) => row.Image);
    expect(names).toContain('short_pixels');
    expect(names).not.toContain('text');
    expect(names).toEqual([...names].sort());
  });

  it('has the columns of the competition, and the first of several window values', async () => {
    await run('columns');
    const rows = await readMetadata(out('columns').table);
    const air = rows.find((row) => row.Image === 'air')!;
    expect(Object.keys(air).sort()).toEqual([...METADATA_COLUMNS].sort());
    expect([air.WindowCenter, air.WindowWidth, air.PixelSpacing_0, air.StudyID]).toEqual([40, 80, null, null]);
  });

  it('makes every such file one error when strict, naming them all', async () => {
    const error = await run('strict', images, { strict: true }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: 'InputError' });
    for (const line of warnings) expect((error as Error).message).toContain(line);
  });

  it('keeps every row of a table of several row groups, nulls and text beyond ASCII included', async () => {
    await run('template');
    const [template] = await readMetadata(out('template').table);
    const rows = Array.from({ length: 17_000 }, (_, i) => ({
      ...template!,
      Image: `ID_${String(i).padStart(6, '0')}`,
      PatientID: i % 3 === 0 ? 'Jørgen' : '',
      WindowWidth: i % 7 === 0 ? null : i / 7,
    }));
    const table = await createMetadata(join(scratch, 'groups.parquet'));
    for (let i = 0; i < rows.length; i += 333) await table.append(rows.slice(i, i + 333));
    await table.close();
    expect(await readMetadata(join(scratch, 'groups.parquet'))).toEqual(rows);
  });

  it('refuses a file that is no table, by its name', async () => {
    await expect(readMetadata(join(images, 'text.dcm'))).rejects.toThrow(/text\.dcm: cannot be read as Parquet/);
  });

  it('refuses two files of one image', async () => {
    const folder = folderOf('twins', { 'a.dcm': image('same'), 'b.dcm': image('same') });
    await expect(run('twins', folder)).rejects.toThrow(/^a\.dcm and b\.dcm are the same image/);
  });

  it('refuses a folder without any usable image, and says why', async () => {
    const folder = folderOf('none', { 'a.dcm': 'text' });
    await expect(run('none', folder)).rejects.toThrow(
      /none: no usable image; the first of 1 files: a\.dcm: it is not a DICOM/,
    );
    await expect(run('missing', join(scratch, 'nowhere'))).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });
});
