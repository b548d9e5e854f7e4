import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeHandMade, type HandMade } from '../imaging/dataset.ts';
import { runTask } from '../rigs/task.ts';

const scratch = mkdtempSync(join(tmpdir(), 'dag-png-'));
const images = join(scratch, 'images');
const table = join(scratch, 'table.parquet');
const triplets = join(scratch, 'triplets.csv');
const run = (
  name: string,
  options: { kinds?: string[]; strict?: boolean; cores?: number; triplets?: string; signal?: AbortSignal } = {},
) =>
  runTask('tasks/png.ts', {
    params: { kinds: options.kinds ?? ['adjacent_hu'], strict: options.strict ?? false },
    in: { images, table, triplets: options.triplets ?? triplets },
    out: { images: join(scratch, name) },
    cores: options.cores ?? 1,
    ...(options.signal ? { signal: options.signal } : {}),
  });
const pixelsOf = (name: string, image: string, kind = 'adjacent_hu') =>
  sharp(join(scratch, name, kind, `${image}.png`))
    .raw()
    .toBuffer({ resolveWithObject: true });

const slice = (name: string, z: number, hu: number, side = 40): HandMade => ({
  name,
  z,
  rows: side,
  columns: side,
  pixel: () => hu + 1024,
});

beforeAll(async () => {
  mkdirSync(images);
  const slices = [
    slice('top', 3, 60),
    slice('middle', 2, 80),
    slice('other_size', 1, 90, 44),
    slice('broken', 0, 70),
    slice('low', -1, 50),
  ];
  for (const one of slices) {
    const bytes = encodeHandMade(one);
    writeFileSync(
      join(images, `${one.name}.dcm`),
      one.name === 'broken' ? bytes.subarray(0, bytes.length - 10) : bytes,
    );
  }
  for (let study = 0; study < 8; study++) {
    for (let z = 0; z < 9; z++) {
      const name = `more_${study}_${z}`;
      writeFileSync(
        join(images, `${name}.dcm`),
        encodeHandMade({ ...slice(name, z, 30 + z), study: name.slice(0, 6) }),
      );
    }
  }
  const quarantine = join(scratch, 'quarantine.json');
  await runTask('tasks/metadata.ts', {
    params: { strict: false },
    in: { images },
    out: { table, quarantine, card: `${quarantine}.card` },
  });
  await runTask('tasks/triplets.ts', { in: { table }, out: { csv: triplets } });
});

describe('the png task', () => {
  it('puts the slice above in red, the slice in green, the slice below in blue', async () => {
    await run('plain');
    const { data } = await pixelsOf('plain', 'more_0_4');
    expect([...data.subarray(0, 3)]).toEqual([35, 34, 33]);
  });

  it('makes all kinds at once, and decodes a file once for all of them and for its neighbours', async () => {
    const { logs } = await run('kinds', { kinds: ['adjacent_hu', 'brain_subdural_bone', 'own'] });
    expect(logs.filter((line) => line.startsWith('broken.dcm'))).toHaveLength(1);
    const first = async (kind: string) => [...(await pixelsOf('kinds', 'more_0_4', kind)).data.subarray(0, 3)];
    expect(await first('adjacent_hu')).toEqual([35, 34, 33]);
    expect(await first('brain_subdural_bone')).toEqual([108, 68, 55]); // 34/80, 54/200 and 434/2000 of 255.
    expect(await first('own')).toEqual([108, 108, 108]); // Centre 40, width 80: the first of its three.
  });

  it('refuses what is no kind of image, and says what is', async () => {
    await expect(run('unknown', { kinds: ['brain_bone'] })).rejects.toThrow(
      /brain_bone.* is no kind of image: adjacent_hu, one window, or three joined by _, of brain, subdural/,
    );
  });

  it('writes 512 x 512 zeros for a broken file, and a channel of zeros beside it', async () => {
    const { data, info } = await pixelsOf('plain', 'broken');
    expect([info.width, info.height, info.channels, data.some((value) => value > 0)]).toEqual([512, 512, 3, false]);
    expect([...(await pixelsOf('plain', 'low')).data.subarray(0, 3)]).toEqual([0, 50, 50]);
  });

  it('repeats the slice where a neighbour has another size, and says so', async () => {
    const { logs } = await run('sizes');
    expect([...(await pixelsOf('sizes', 'middle')).data.subarray(0, 3)]).toEqual([60, 80, 80]);
    expect(logs).toContain('middle.dcm: its neighbour other_size has another size; the slice repeats instead');
  });

  it('writes the same bytes with one worker and with three', async () => {
    await run('three', { cores: 3 });
    const names = readdirSync(join(scratch, 'plain/adjacent_hu')).sort();
    expect(readdirSync(join(scratch, 'three/adjacent_hu')).sort()).toEqual(names);
    for (const name of names) {
      expect(
        readFileSync(join(scratch, 'three/adjacent_hu', name)).equals(
          readFileSync(join(scratch, 'plain/adjacent_hu', name)),
        ),
      ).toBe(true);
    }
  });

  it('refuses broken files when strict, by name', async () => {
    await expect(run('strict', { strict: true })).rejects.toThrow(
      /broken\.dcm: its pixel data have 3190 of 3200 bytes/,
    );
  });

  it('refuses triplets that do not belong to the table', async () => {
    const foreign = join(scratch, 'foreign.csv');
    writeFileSync(foreign, 'red,green,blue\ntop,top,elsewhere\n');
    await expect(run('foreign', { triplets: foreign })).rejects.toThrow(/image elsewhere is not in the metadata table/);
    writeFileSync(foreign, 'red,green,blue\ntop,top,middle\n');
    await expect(run('foreign', { triplets: foreign })).rejects.toThrow(/1 rows for 77 images/);
  });

  it('stops with the reason of the signal', async () => {
    await expect(run('stopped', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  it('names the file that vanished after the metadata were read', async () => {
    rmSync(join(images, 'more_3_3.dcm'));
    await expect(run('vanished')).rejects.toThrow(/more_3_3\.dcm/);
  });
});
