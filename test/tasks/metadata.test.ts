import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMetadata, METADATA_COLUMNS, readMetadata } from '../../tasks/tables/metadata.ts';
import { encodeHandMade, makeDataset } from '../imaging/dataset.ts';
import { runTask } from '../rigs/task.ts';

const scratch = mkdtempSync(join(tmpdir(), 'dag-metadata-'));
const images = join(scratch, 'images');
const out = (name: string) => ({
  table: join(scratch, `${name}.parquet`),
  quarantine: join(scratch, `${name}.json`),
  card: join(scratch, `${name}_card.json`),
});
const run = (
  name: string,
  folder = images,
  options: { strict?: boolean; cores?: number; cap?: number | string } = {},
) =>
  runTask('tasks/metadata.ts', {
    params: { strict: options.strict ?? false, max_quarantine: options.cap ?? '10%' },
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

const image = (name: string) => encodeHandMade({ name, rows: 8, columns: 8, pixel: () => 1, z: 1 });

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
      'frames.dcm left-out',
      'localizer.dcm left-out',
      'magnet.dcm left-out',
      'palette.dcm left-out',
      'report.dcm left-out',
      'short_header.dcm left-out',
      'short_pixels.dcm zeroed',
      'text.dcm left-out',
      'wide_copy.dcm left-out',
      'zero_filled.dcm zeroed',
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

  it('drops copies of a file, and refuses different files of one image', async () => {
    const [one, other] = [image('same'), image('same')];
    other[other.length - 1] = 7;
    const copies = folderOf('copies', { 'a.dcm': one, 'b.dcm': one });
    const { warnings: found } = await run('copies', copies, { cap: 1 });
    expect(found).toEqual(['b.dcm: it is a copy of a.dcm, byte for byte; left out']);
    expect((await readMetadata(out('copies').table)).map((row) => row.Image)).toEqual(['a']);
    const twins = folderOf('twins', { 'a.dcm': one, 'b.dcm': other });
    await expect(run('twins', twins)).rejects.toThrow(/^a\.dcm and b\.dcm are different files of one image/);
  });

  it('takes the sound file of an image of which there are damaged ones, whatever their names', async () => {
    const [whole, short, shorter] = [0, 50, 100].map((cut) => image('same').subarray(0, image('same').length - cut));
    const folder = folderOf('damaged', { 'a.dcm': short!, 'b.dcm': shorter!, 'c.dcm': whole!, 'd.dcm': short! });
    const { warnings: found } = await run('damaged', folder, { cap: 3 });
    expect((await readMetadata(out('damaged').table)).map((row) => row.Image)).toEqual(['c']);
    expect(found).toEqual(
      ['a', 'b', 'd'].map((name) =>
        expect.stringMatching(`^${name}.dcm: it is a damaged copy of c.dcm: .* bytes; left out$`),
      ),
    );
    expect(JSON.parse(readFileSync(out('damaged').card, 'utf8'))).toMatchObject({ files: 4, images: 1, duplicates: 3 });
  });

  it('stops where more files than allowed cannot be used, and names the first of them', async () => {
    const files = { 'a.dcm': image('a'), 'b.dcm': 'text', 'c.dcm': 'text', 'd.dcm': image('d') };
    const folder = folderOf('capped', files);
    for (const cap of [1, '25%']) {
      const error = await run('capped', folder, { cap }).catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ name: 'InputError' });
      expect((error as Error).message).toBe(
        `${folder}: 2 of 4 files cannot be used, and max_quarantine is ${cap}:
  b.dcm: it is not a DICOM file (no DICM at byte 128); left out
  c.dcm: it is not a DICOM file (no DICM at byte 128); left out
if that is how the data are, raise max_quarantine in pipeline.yml`,
      );
    }
    for (const cap of [2, '50%', '26%']) expect((await run('capped', folder, { cap })).warnings).toHaveLength(2);
    await expect(run('capped', folder, { cap: '5 percent' })).rejects.toThrow(/a share of them, as in 20 or 5%/);
  });

  it('makes the neighbours of a file that is left out neighbours of each other', async () => {
    const at = (name: string, z: number) => encodeHandMade({ name, rows: 8, columns: 8, pixel: () => 1, z });
    const folder = folderOf('linked', { 'a.dcm': at('a', 3), 'b.dcm': 'text', 'c.dcm': at('c', 1) });
    await run('linked', folder);
    const csv = join(scratch, 'linked.csv');
    await runTask('tasks/triplets.ts', { in: { table: out('linked').table }, out: { csv } });
    expect(readFileSync(csv, 'utf8')).toBe('red,green,blue\na,a,c\na,c,c\n');
  });

  it('counts what is there in the data card', async () => {
    await run('card');
    const card = JSON.parse(readFileSync(out('card').card, 'utf8'));
    expect(card).toMatchObject({
      transferSyntaxes: { 'explicit big endian': 1, 'implicit little endian': 1 },
      studiesOfSeveralSeries: 1,
      duplicates: 1,
      identity: {},
      quarantine: {
        leftOut: 10,
        zeroed: 2,
        reasons: { 'its modality is MR, not CT': 1, 'its pixel data have N of N bytes': 1 },
      },
      fixed: {
        'padding made air': 2,
        'sign extended': 1,
        'values moved to bit 0': 1,
        'MONOCHROME1 left unreversed': 1,
      },
    });
    const rows = await readMetadata(out('card').table);
    expect([card.images, card.files]).toEqual([rows.length, rows.length + 10]);
    expect(card.patients).toBe(new Set(rows.map((row) => row.PatientID)).size);
    expect(card.studies).toBe(new Set(rows.map((row) => row.StudyInstanceUID)).size);
    for (const { PatientID } of rows) expect(JSON.stringify(card)).not.toContain(PatientID);
  });

  it('warns of coronal and sagittal series, and knows a tilted axial slice from them', async () => {
    const across = (name: string, cosines: string) => {
      const orientation = { tag: 0x00200037, vr: 'DS', value: cosines.split(' ') } as const;
      return encodeHandMade({ name, rows: 8, columns: 8, pixel: () => 1, z: 1, extra: [orientation] });
    };
    const folder = folderOf('planes', {
      'a.dcm': across('a', '1 0 0 0 0.87 -0.5'),
      'b.dcm': across('b', '1 0 0 0 0 -1'),
      'c.dcm': across('c', '0 1 0 0 0 -1'),
      'd.dcm': across('d', '0.1 1 0 0 0 -1'),
    });
    const { warnings: found } = await run('planes', folder);
    expect(found).toEqual([
      '1 coronal and 2 sagittal images: predictions are for axial slices, so leave their series out',
    ]);
    const { planes } = JSON.parse(readFileSync(out('planes').card, 'utf8'));
    expect(planes).toEqual({ sagittal: 2, axial: 1, coronal: 1 });
  });

  it('warns of identity by the names of elements, and keeps none of their values', async () => {
    const text = (tag: number, vr: 'PN' | 'DA', value: string) => ({ tag, vr, value });
    const extra = [text(0x00100010, 'PN', 'Jansson^Tove'), text(0x00100030, 'DA', '19140809')];
    const file = encodeHandMade({ name: 'named', rows: 8, columns: 8, pixel: () => 1, z: 1, extra });
    const { warnings: found } = await run('named', folderOf('named', { 'a.dcm': file, 'b.dcm': image('b') }));
    expect(found).toEqual([
      'identity is filled in, of 2 images: PatientBirthDate (1), PatientName (1); remove it before you share these files',
    ]);
    for (const path of Object.values(out('named'))) expect(readFileSync(path, 'latin1')).not.toMatch(/Jansson|1914/);
  });

  it('refuses a folder without any usable image, and says why', async () => {
    const folder = folderOf('none', { 'a.dcm': 'text' });
    await expect(run('none', folder)).rejects.toThrow(
      /none: no usable image; the first of 1 files: a\.dcm: it is not a DICOM/,
    );
    const exported = folderOf('exported', { IM0001: image('a'), IM0002: image('b') });
    await expect(run('exported', exported)).rejects.toThrow(
      /exported: no usable image, 2 other files and folders; images lie in the folder itself, as IMAGE\.dcm: the README/,
    );
    await expect(run('missing', join(scratch, 'nowhere'))).rejects.toThrow(/cannot be read \(ENOENT\)/);
  });
});
