// The loader: PNG decoding against sharp, batches that depend on the request alone, and the pool started from a bundle.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InputError } from '../../engine/task.ts';
import { IDENTITY, TTA_VIEWS } from '../../tasks/learning/loader/augment.ts';
import { load } from '../../tasks/learning/loader/load.ts';
import { type Batch, createLoader, type LoaderOptions, type Request } from '../../tasks/learning/loader/loader.ts';
import { decodePng } from '../../tasks/learning/loader/png.ts';
import { randomStream } from '../../tasks/learning/loader/random.ts';

const NAMES = Array.from({ length: 23 }, (_, i) => `ID_${i}`);
let folder: string;
let entry: string;

const pixels = (length: number, seed: number): Buffer => {
  const random = randomStream(seed);
  return Buffer.from(Uint8Array.from({ length }, () => random.next() * 256));
};

beforeAll(async () => {
  const scratch = path.resolve(import.meta.dirname, '../../node_modules/.test-scratch');
  mkdirSync(scratch, { recursive: true }); // In the project, so that the bundle finds its packages.
  folder = mkdtempSync(path.join(scratch, 'loader-'));
  for (const [i, name] of NAMES.entries()) {
    const [width, height] = [20 + i, 30 - i];
    const raw = { width, height, channels: 3 } as const;
    await sharp(pixels(width * height * 3, i), { raw })
      .png()
      .toFile(path.join(folder, `${name}.png`));
  }
  entry = pathToFileURL(path.join(folder, 'entry.mjs')).href;
  await build({
    stdin: { contents: "export { loadImages } from './tasks/learning/loader/worker.ts'", resolveDir: process.cwd() },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: path.join(folder, 'entry.mjs'),
    logLevel: 'silent',
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function loadAll(requests: Request[], options: Partial<LoaderOptions> = {}): Promise<Batch[]> {
  const loader = createLoader({ entry, workers: 2, folder, kind: 'brain_subdural_bone', size: 16, ...options });
  const batches: Batch[] = [];
  try {
    for await (const batch of loader.load(requests)) batches.push(batch);
  } finally {
    await loader.close();
  }
  return batches;
}

function requestsOf(batch: number): Request[] {
  const starts = Array.from({ length: Math.ceil(NAMES.length / batch) }, (_, i) => i * batch);
  return starts.map((start) => {
    const names = NAMES.slice(start, start + batch);
    return { names, look: { seed: 1, epoch: 2, indices: names.map((_, i) => start + i) } };
  });
}

const joined = (batches: Batch[]): Buffer =>
  Buffer.concat(batches.map(({ x }) => Buffer.from(x.buffer, x.byteOffset, x.byteLength)));

test('any PNG that sharp writes decodes to the same pixels, with and without row filters', async () => {
  const size = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(
      size,
      size,
      fc.constantFrom(1, 3, 4),
      fc.boolean(),
      fc.boolean(),
      async (width, height, channels, filters, smooth) => {
        const data = pixels(width * height * channels, width);
        if (smooth) for (let i = 0; i < data.length; i++) data[i] = i % (width * channels);
        const raw = { width, height, channels: channels as 1 | 3 | 4 };
        const image = sharp(data, { raw }).png({ adaptiveFiltering: filters });
        const file = await (channels === 1 ? image.toColourspace('b-w') : image).toBuffer();
        const expected = await sharp(file).removeAlpha().toColourspace('srgb').raw().toBuffer();
        const found = await decodePng(file);
        expect([found.width, found.height]).toEqual([width, height]);
        expect(Buffer.from(found.pixels).equals(expected)).toBe(true);
      },
    ),
  );
});

test('interlaced, 16-bit and palette files decode through sharp', async () => {
  const raw = { width: 9, height: 7, channels: 3 } as const;
  const image = sharp(pixels(9 * 7 * 3, 5), { raw });
  const files = [
    await image.clone().png({ progressive: true }).toBuffer(),
    await image.clone().toColourspace('rgb16').png().toBuffer(),
    await image.clone().png({ palette: true }).toBuffer(),
  ];
  for (const file of files) {
    const found = await decodePng(file);
    expect(
      Buffer.from(found.pixels).equals(await sharp(file).toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer()),
    ).toBe(true);
  }
});

test('a damaged PNG ends in an error, never in wrong sizes or a hang', async () => {
  const raw = { width: 12, height: 12, channels: 3 } as const;
  const file = await sharp(pixels(432, 3), { raw }).png({ adaptiveFiltering: true }).toBuffer();
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.nat(255), fc.nat(file.length), async (at, value, cut) => {
      const bytes = Uint8Array.from(file);
      bytes[at] = value;
      const found = await decodePng(bytes.subarray(0, cut)).catch((error: unknown) => error);
      if (found instanceof Error) return;
      const { width, height, pixels: rgb } = found as Awaited<ReturnType<typeof decodePng>>;
      expect(rgb.length).toBe(3 * width * height);
    }),
    { numRuns: 500 },
  );
});

test('an image looks the same in every batch size and with every number of workers', async () => {
  const reference = joined(await loadAll(requestsOf(23), { workers: 1 }));
  expect(joined(await loadAll(requestsOf(4), { workers: 1 })).equals(reference)).toBe(true);
  expect(joined(await loadAll(requestsOf(5), { workers: 3 })).equals(reference)).toBe(true);
});

test('another seed or epoch gives other views', async () => {
  const job = { folder, names: NAMES, kind: 'brain_subdural_bone', size: 16 };
  const indices = NAMES.map((_, i) => i);
  const looks = [
    [1, 2],
    [1, 3],
    [2, 2],
  ].map(([seed, epoch]) => ({ seed: seed!, epoch: epoch!, indices }));
  const results = await Promise.all(looks.map((look) => load({ ...job, look })));
  const digests = results.map((result) => Buffer.from(result as ArrayBuffer).toString('base64'));
  expect(new Set(digests).size).toBe(3);
});

test('batches come in order although a later one is quicker', async () => {
  const names = [NAMES, ['ID_3'], ['ID_4'], ['ID_5', 'ID_6']];
  const batches = await loadAll(names.map((list) => ({ names: list, look: { views: [IDENTITY] } })));
  expect(batches.map((batch) => batch.names)).toEqual(names);
});

test('several views of one decoded image lie one after the other', async () => {
  const names = ['ID_1', 'ID_2'];
  const [all] = await loadAll([{ names, look: { views: TTA_VIEWS } }]);
  const apart = await loadAll(TTA_VIEWS.map((view) => ({ names, look: { views: [view] } })));
  expect(joined([all!]).equals(joined(apart))).toBe(true);
});

test('no more than the workers and one batch are loaded ahead', async () => {
  const loader = createLoader({ entry, workers: 1, folder, kind: 'adjacent_hu', size: 8 });
  let asked = 0;
  function* requests(): Generator<Request> {
    for (const name of NAMES) {
      asked++;
      yield { names: [name], look: { views: [IDENTITY] } };
    }
  }
  let taken = 0;
  for await (const _ of loader.load(requests())) {
    taken++;
    expect(asked).toBeLessThanOrEqual(taken + 2);
  }
  await loader.close();
  expect(taken).toBe(NAMES.length);
});

test('an image that cannot be read is wrong input, named with its reason', async () => {
  writeFileSync(path.join(folder, 'text.png'), 'this is no PNG file, but text of more than a few bytes');
  const error = await loadAll([{ names: ['ID_1', 'text'], look: { views: [IDENTITY] } }]).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toBe(`${path.join(folder, 'text.png')}: cannot be read as an image: not a PNG file`);
});
