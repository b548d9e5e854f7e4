// Draws the demo's data: synthetic head CTs as DICOM files in the competition's layout, with labels and a sample
// submission. The bleedings are made for learning: larger and denser against the brain (about +50 HU, noise 5 HU) than
// clinical ones, so that a small network at 64 px tells them apart after a few epochs on some 600 images.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../engine/task.ts';
import { BLEEDING_KINDS, type BleedingKind } from './phantom/bleeding.ts';
import { randomFor, shuffle } from './phantom/random.ts';
import { drawStudy, studiesOf } from './phantom/study.ts';
import { writeCsv } from './tables/csv.ts';

interface Labelled {
  readonly name: string;
  readonly kinds: ReadonlySet<BleedingKind>;
}

export default defineTask({
  params: z.strictObject({
    patients: z.int().min(4),
    size: z.int().min(32).max(1024),
    /** Deals the training images' labels out again at random: what a network then seems to learn is a leak. */
    shuffle_labels: z.boolean(),
    seed: z.int(),
    stage: z.string().regex(/^\w+$/),
  }),
  async run(ctx) {
    const { patients, size, seed, stage } = ctx.params;
    const data = ctx.output('data');
    const images = { train: [] as Labelled[], test: [] as Labelled[] };
    for (const split of ['train', 'test']) mkdirSync(join(data, `${stage}_${split}`), { recursive: true });
    for (let patient = 0; patient < patients; patient++) {
      // A quarter of the patients are for the test; no patient is in both.
      const split = patient % 4 === 3 ? 'test' : 'train';
      for (let study = 0; study < studiesOf(seed, patient); study++) {
        for (const { name, kinds, file } of drawStudy(seed, patient, study, size)) {
          writeFileSync(join(data, `${stage}_${split}`, `${name}.dcm`), file);
          images[split].push({ name, kinds });
        }
      }
      ctx.progress(patient + 1, patients, 'patients');
      await setImmediate();
      ctx.signal.throwIfAborted();
    }
    const train = ctx.params.shuffle_labels ? withShuffledLabels(images.train, seed) : images.train;
    writeCsv(join(data, `${stage}_train.csv`), ['ID', 'Label'], labelRows(train, seed));
    writeCsv(join(data, `${stage}_sample_submission.csv`), ['ID', 'Label'], sampleRows(images.test, seed));
    ctx.log(describe(images.train, images.test));
  },
});

const TYPES = [...BLEEDING_KINDS, 'any'] as const;

function withShuffledLabels(images: readonly Labelled[], seed: number): Labelled[] {
  const kinds = shuffle(
    randomFor(seed, 'labels'),
    images.map((image) => image.kinds),
  );
  return images.map(({ name }, i) => ({ name, kinds: kinds[i]! }));
}

/** Six rows an image, images in random order; the first few come again at the end, as in the competition's file. */
function* labelRows(images: readonly Labelled[], seed: number): Generator<[string, number]> {
  const order = shuffle(randomFor(seed, 'order'), [...images]);
  for (const { name, kinds } of [...order, ...order.slice(0, 3)]) {
    for (const type of TYPES) yield [`${name}_${type}`, (type === 'any' ? kinds.size > 0 : kinds.has(type)) ? 1 : 0];
  }
}

function* sampleRows(images: readonly Labelled[], seed: number): Generator<[string, number]> {
  for (const { name } of shuffle(randomFor(seed, 'sample'), [...images])) {
    for (const type of TYPES) yield [`${name}_${type}`, 0.5];
  }
}

function describe(train: readonly Labelled[], test: readonly Labelled[]): string {
  const all = [...train, ...test];
  const share = (count: number) => `${((100 * count) / all.length).toFixed(0)}%`;
  const kinds = BLEEDING_KINDS.map((kind) => `${kind} ${share(all.filter((image) => image.kinds.has(kind)).length)}`);
  const any = share(all.filter((image) => image.kinds.size > 0).length);
  return `${train.length} training and ${test.length} test images; any bleeding ${any} (${kinds.join(', ')})`;
}
