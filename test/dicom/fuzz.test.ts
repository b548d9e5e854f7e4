// Damaged files through the reader, header alone and whole: each becomes an image or a reason. FUZZ_FILES=100000 for the long run.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadCodec } from '../../tasks/dicom/codecs/codec.ts';
import { parseHeader } from '../../tasks/dicom/header.ts';
import { describeImage } from '../../tasks/dicom/image.ts';
import { imageOf } from '../../tasks/dicom/pixels.ts';
import { hounsfieldTable } from '../../tasks/imaging/hounsfield.ts';
import { randomFor } from '../../tasks/phantom/random.ts';
import { drawStudy } from '../../tasks/phantom/study.ts';
import { encodeHandMade } from '../imaging/dataset.ts';
import { mutate } from './mutate.ts';

const FILES = Number(process.env.FUZZ_FILES ?? 4000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** More than a file of this size has any reason to take: codecs' memories and the look-up tables included. */
const MOST_GROWTH_BYTES = 400 * 2 ** 20;

const fixtures = join(import.meta.dirname, 'fixtures');
const image = { name: 'fuzz', rows: 24, columns: 20, pixel: (row: number, column: number) => row * 40 + column, z: 1 };
const corpus: readonly Uint8Array[] = [
  ...drawStudy(1, 0, 0, 32).map(({ file }) => file),
  ...(['explicit-little', 'implicit-little', 'explicit-big'] as const).map((syntax) =>
    encodeHandMade({ ...image, syntax }),
  ),
  ...readdirSync(fixtures).map((name) => readFileSync(join(fixtures, name))),
];

/** What became of it, in a word. */
async function readDamaged(bytes: Uint8Array): Promise<string> {
  const page = bytes.subarray(0, Math.min(bytes.length, 700));
  const header = parseHeader(page, bytes.length);
  if (!('reason' in header)) {
    const { row, problem } = describeImage('x', header);
    expect(row !== null || problem !== null).toBe(true);
  } else expect(header.reason).not.toBe('');
  let found = imageOf(Uint8Array.from(bytes));
  if ('needs' in found) {
    await loadCodec(found.needs);
    found = imageOf(Uint8Array.from(bytes));
  }
  if ('reason' in found) {
    expect(found.reason).not.toBe('');
    return found.reason.replace(/\d+/g, 'N').slice(0, 60);
  }
  if ('needs' in found) throw new Error('its codec was loaded, and it asks for it again');
  expect(found.stored.length).toBe(found.rows * found.columns);
  hounsfieldTable(found);
  return 'read';
}

it(`reads or refuses ${FILES} damaged files, without a crash and without taking much memory`, async () => {
  const random = randomFor(SEED, 'fuzz');
  const pick = () => corpus[Math.floor(random() * corpus.length)]!;
  const outcomes = new Map<string, number>();
  const before = process.memoryUsage.rss();
  let [most, slowest] = [0, 0];
  for (let k = 0; k < FILES; k++) {
    const bytes = mutate(pick(), pick(), random);
    const start = performance.now();
    const outcome = await readDamaged(bytes);
    slowest = Math.max(slowest, performance.now() - start);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (k % 100 === 0) most = Math.max(most, process.memoryUsage.rss() - before);
  }
  if (process.env.FUZZ_FILES) {
    console.log(`slowest ${slowest.toFixed(0)} ms, memory grew by ${(most / 2 ** 20).toFixed(0)} MiB`);
    console.table([...outcomes].sort((a, b) => b[1] - a[1]).slice(0, 40));
  }
  expect(most).toBeLessThan(MOST_GROWTH_BYTES);
  expect(outcomes.get('read') ?? 0).toBeGreaterThan(FILES / 50); // The damage is not so great that it tests nothing.
  expect(outcomes.size).toBeGreaterThan(10);
}, 3_600_000);
