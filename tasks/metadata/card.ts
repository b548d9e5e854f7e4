// The data card: what a folder of DICOM files holds, in numbers. No value of any element that says who somebody is, PatientID
// included, gets into it: patients are counted, identity elements are named.
import type { FileFacts } from '../dicom/image.ts';
import type { QuarantinedFile } from '../dicom/scan.ts';
import { TRANSFER_SYNTAXES } from '../dicom/syntax.ts';
import type { MetadataRow } from '../tables/metadata.ts';

type Counts = Readonly<Record<string, number>>;

export interface DataCard {
  /** All that lay in the folder. */
  readonly files: number;
  /** Rows of the metadata table, the zeroed ones included. */
  readonly images: number;
  readonly patients: number;
  readonly studies: number;
  readonly series: number;
  /** Whose images are neighbours within their series only. */
  readonly studiesOfSeveralSeries: number;
  readonly slicesPerStudy: { readonly least: number; readonly median: number; readonly most: number };
  /** Images by `rows x columns`, by transfer syntax, by how values are stored, and by what had to be put right to read them. */
  readonly sizes: Counts;
  /** By the body axis that a slice is most nearly across; head-CT networks know axial slices. */
  readonly planes: Counts;
  readonly transferSyntaxes: Counts;
  readonly pixels: Counts;
  readonly fixed: Counts;
  /** Copies of other files, whole or damaged; they are in the quarantine too. */
  readonly duplicates: number;
  readonly quarantine: { readonly leftOut: number; readonly zeroed: number; readonly reasons: Counts };
  /** Elements that say who somebody is, by how many images have a value in them. */
  readonly identity: Counts;
}

export interface CardMaker {
  addImage(row: MetadataRow, facts: FileFacts): void;
  addProblem(file: QuarantinedFile, isCopy: boolean): void;
  finish(): DataCard;
}

export function createCard(): CardMaker {
  const patients = new Set<string>();
  const studies = new Map<string, { images: number; series: Set<string> }>();
  const [sizes, planes, syntaxes, pixels, fixed, identity] = Array.from({ length: 6 }, counter) as SixCounters;
  const [reasons, statuses] = [counter(), counter()];
  let [images, outside, duplicates] = [0, 0, 0];
  return {
    addImage(row, facts) {
      images++;
      patients.add(row.PatientID);
      const study = studies.get(row.StudyInstanceUID) ?? { images: 0, series: new Set<string>() };
      studies.set(row.StudyInstanceUID, study);
      study.images++;
      study.series.add(row.SeriesInstanceUID ?? '');
      sizes.add(`${row.Rows} x ${row.Columns}`);
      planes.add(planeOf(row));
      syntaxes.add(TRANSFER_SYNTAXES.get(facts.transferSyntax)!.name);
      pixels.add(
        `${row.BitsStored} of ${row.BitsAllocated} bits, ${row.PixelRepresentation === 1 ? 'signed' : 'unsigned'}`,
      );
      for (const what of fixesOf(row, facts)) fixed.add(what);
      for (const element of facts.identity ?? []) identity.add(element);
    },
    addProblem({ status, reason }, isCopy) {
      if (status === 'left-out') outside++;
      if (isCopy) duplicates++;
      statuses.add(status);
      // One entry a kind of problem: numbers and names of other files differ from file to file.
      reasons.add(reason.replace(/\S+\.dcm/g, 'another file').replace(/\d+/g, 'N'));
    },
    finish() {
      const perStudy = [...studies.values()].map((study) => study.images).sort((a, b) => a - b);
      const seriesOf = [...studies.values()].map(({ series }) => series.size);
      return {
        files: images + outside,
        images,
        patients: patients.size,
        studies: studies.size,
        series: seriesOf.reduce((sum, count) => sum + count, 0),
        studiesOfSeveralSeries: seriesOf.filter((count) => count > 1).length,
        slicesPerStudy: {
          least: perStudy[0] ?? 0,
          median: perStudy[perStudy.length >> 1] ?? 0,
          most: perStudy.at(-1) ?? 0,
        },
        sizes: sizes.list(),
        planes: planes.list(),
        transferSyntaxes: syntaxes.list(),
        pixels: pixels.list(),
        fixed: fixed.list(),
        duplicates,
        quarantine: { leftOut: outside, zeroed: statuses.list().zeroed ?? 0, reasons: reasons.list() },
        identity: identity.list(),
      };
    },
  };
}

/** What imaging/hounsfield.ts does about an image beyond slope and intercept. */
function fixesOf(row: MetadataRow, { hasPadding }: FileFacts): string[] {
  const { BitsAllocated, BitsStored, HighBit, PixelRepresentation, RescaleIntercept } = row;
  const isSigned = PixelRepresentation === 1;
  return [
    ...(BitsStored === 12 && !isSigned && (RescaleIntercept ?? 0) > -100 ? ['wrapped values put right'] : []),
    ...(isSigned && BitsStored < BitsAllocated ? ['sign extended'] : []),
    ...((HighBit ?? 0) >= BitsStored ? ['values moved to bit 0'] : []),
    ...(hasPadding ? ['padding made air'] : []),
    ...(row.PhotometricInterpretation === 'MONOCHROME1' ? ['MONOCHROME1 left unreversed'] : []),
    ...(row.Rows === row.Columns ? [] : ['padded to a square']),
  ];
}

/** Across a slice: its rows' direction times its columns'. A tilted gantry leaves it nearest to the long axis. */
function planeOf(row: MetadataRow): string {
  const cosines = ([0, 1, 2, 3, 4, 5] as const).map((k) => row[`ImageOrientationPatient_${k}`] ?? Number.NaN);
  const [a, b, c, d, e, f] = cosines as [number, number, number, number, number, number];
  const across = [b * f - c * e, c * d - a * f, a * e - b * d].map(Math.abs);
  return ['sagittal', 'coronal', 'axial'][across.indexOf(Math.max(...across))] ?? 'unknown';
}

type Counter = ReturnType<typeof counter>;
type SixCounters = [Counter, Counter, Counter, Counter, Counter, Counter];

/** Counts by name, most frequent first, then by name. */
function counter(): { add(name: string): void; list(): Counts } {
  const counts = new Map<string, number>();
  const order = ([a, m]: [string, number], [b, n]: [string, number]) => n - m || (a < b ? -1 : 1);
  return {
    add: (name) => void counts.set(name, (counts.get(name) ?? 0) + 1),
    list: () => Object.fromEntries([...counts].sort(order)),
  };
}
