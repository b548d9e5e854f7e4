// Small tables for the tests of tasks that work on predictions: metadata, labels and predictions drawn from a seed.
import { CLASSES } from '../../tasks/classes.ts';
import { createRandom } from '../../tasks/learning/random.ts';
import { createMetadata, type MetadataRow } from '../../tasks/tables/metadata.ts';

export interface Slice {
  readonly image: string;
  readonly patient: string;
  readonly study: string;
  readonly positionMm: number;
}

/** Studies of `slices` slices 5 mm apart, one a patient, or two for every third patient. Sorted by image. */
export function drawSlices({
  patients,
  slices,
  prefix = 'ID_',
}: {
  patients: number;
  slices: number;
  prefix?: string;
}): Slice[] {
  const found: Slice[] = [];
  for (let p = 0; p < patients; p++) {
    for (let s = 0; s < (p % 3 === 0 ? 2 : 1); s++) {
      for (let i = 0; i < slices; i++) {
        // Names whose order has nothing to do with the anatomy, as in the competition.
        const name = (Math.imul(found.length + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
        found.push({ image: `${prefix}${name}`, patient: `P${p}`, study: `1.2.${p}.${s}`, positionMm: 5 * i - 40 });
      }
    }
  }
  return found.sort((a, b) => (a.image < b.image ? -1 : 1));
}

export async function writeTable(path: string, slices: readonly Slice[]): Promise<void> {
  const writer = await createMetadata(path);
  await writer.append(slices.map(metadataRow));
  await writer.close();
}

function metadataRow({ image, patient, study, positionMm }: Slice): MetadataRow {
  return {
    Image: image,
    SOPInstanceUID: `1.2.3.${image.length}`,
    StudyInstanceUID: study,
    SeriesInstanceUID: `${study}.1`,
    PatientID: patient,
    StudyID: null,
    Modality: 'CT',
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: 64,
    Columns: 64,
    SamplesPerPixel: 1,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 1,
    ImagePositionPatient_0: -125,
    ImagePositionPatient_1: -125,
    ImagePositionPatient_2: positionMm,
    ImageOrientationPatient_0: 1,
    ImageOrientationPatient_1: 0,
    ImageOrientationPatient_2: 0,
    ImageOrientationPatient_3: 0,
    ImageOrientationPatient_4: 1,
    ImageOrientationPatient_5: 0,
    PixelSpacing_0: 0.5,
    PixelSpacing_1: 0.5,
    RescaleIntercept: 0,
    RescaleSlope: 1,
    WindowCenter: 40,
    WindowWidth: 80,
  };
}

/** Bleedings that span a few neighbouring slices, (N, 6); `any` is the largest of the five. */
export function drawLabels(slices: readonly Slice[], seed: number): Uint8Array {
  const values = new Uint8Array(slices.length * CLASSES.length);
  const random = createRandom(seed);
  const studies = new Map<string, { centreMm: number; halfMm: number }[]>();
  for (const { study } of [...slices].sort((a, b) => (a.study < b.study ? -1 : 1))) {
    if (studies.has(study)) continue;
    const bleeds = CLASSES.slice(1).map((_, c) => ({
      centreMm: 120 * random.next() - 60,
      halfMm: random.next() < 0.2 + 0.08 * c ? 12 : 0,
    }));
    studies.set(study, bleeds);
  }
  for (const [i, { study, positionMm }] of slices.entries()) {
    for (const [c, { centreMm, halfMm }] of studies.get(study)!.entries()) {
      if (Math.abs(positionMm - centreMm) >= halfMm) continue;
      values[i * CLASSES.length + c + 1] = 1;
      values[i * CLASSES.length] = 1;
    }
  }
  return values;
}

/** A model's probabilities, (N, 6): the label's logit of ±`skill` with noise of the given size. */
export function drawPredictions(
  labels: Uint8Array,
  { skill, noise, seed }: { skill: number; noise: number; seed: number },
): Float64Array {
  const random = createRandom(seed);
  return Float64Array.from(
    labels,
    (label) => 1 / (1 + Math.exp((label === 1 ? -skill : skill) - noise * random.normal())),
  );
}
