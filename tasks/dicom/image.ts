// What a header says about its image: the metadata row, and whether the pipeline can use it.
import type { DataSet } from 'dicom-parser';
import type { MetadataRow } from '../tables/metadata.ts';
import { findFragments } from './fragments.ts';
import { damageOf, decimalsOf, type Header, textOf } from './header.ts';
import { filledIdentity } from './identity.ts';
import { TRANSFER_SYNTAXES } from './syntax.ts';

/** `left-out`: no row in the table. `zeroed`: in the table, and its picture is all zero. */
export interface Problem {
  readonly status: 'left-out' | 'zeroed';
  readonly reason: string;
}

/** What the table has no column for, and the data card counts. */
export interface FileFacts {
  readonly transferSyntax: string;
  /** It declares a PixelPaddingValue. */
  readonly hasPadding?: true;
  /** Elements that say who somebody is and have a value: their names. */
  readonly identity?: readonly string[];
}

export interface DescribedImage {
  readonly row: MetadataRow | null;
  readonly problem: Problem | null;
  readonly facts: FileFacts | null;
}

/** Of the pixels, decoded: what claims to be larger is no CT slice, and no memory is taken for it. */
const MOST_PIXEL_BYTES = 2 ** 26;

/** The row of an image, or null with the reason where the file is none that the pipeline can use. */
export function describeImage(image: string, header: Header): DescribedImage {
  try {
    const unusable = whyUnusable(header);
    if (unusable) return leftOut(unusable);
    const row = makeRow(image, header.dataSet);
    const broken = whyBroken(row, header);
    return { row, problem: broken ? { status: 'zeroed', reason: broken } : null, facts: factsOf(header) };
  } catch (error) {
    return leftOut(damageOf(error));
  }
}

export function leftOut(reason: string): DescribedImage {
  return { row: null, problem: { status: 'left-out', reason }, facts: null };
}

function factsOf({ dataSet, transferSyntax }: Header): FileFacts {
  const identity = filledIdentity(dataSet);
  return {
    transferSyntax,
    ...(dataSet.uint16('x00280120') === undefined ? {} : { hasPadding: true }),
    ...(identity.length > 0 ? { identity } : {}),
  };
}

function whyUnusable({ dataSet, transferSyntax }: Header): string | null {
  const modality = textOf(dataSet, 'x00080060');
  const rows = dataSet.uint16('x00280010');
  const columns = dataSet.uint16('x00280011');
  const bits = dataSet.uint16('x00280100');
  if (!rows || !columns || !bits) return withoutImage(modality);
  if (modality && modality !== 'CT') return `its modality is ${modality}, not CT`;
  if (!TRANSFER_SYNTAXES.has(transferSyntax)) return `its transfer syntax ${transferSyntax || '(none)'} is not read`;
  const photometric = textOf(dataSet, 'x00280004') ?? 'MONOCHROME2';
  if ((dataSet.uint16('x00280002') ?? 1) !== 1 || !GREYSCALE.has(photometric)) return 'it is a colour image';
  if ((dataSet.intString('x00280008') ?? 1) > 1) return 'it has several frames in one file; split it into slices first';
  if (bits !== 16 && bits !== 8) return `it allocates ${bits} bits a pixel; 8 and 16 are read`;
  if ((rows * columns * bits) / 8 > MOST_PIXEL_BYTES)
    return `it claims ${rows} x ${columns} pixels, more than any CT slice`;
  if (textOf(dataSet, 'x00080008', 2) === 'LOCALIZER') return 'it is a localizer, a view from the side and no slice';
  for (const [tag, name] of NEEDED_TEXT) if (!textOf(dataSet, tag)) return `it has no ${name}`;
  if (typeof decimalsOf(dataSet, 'x00200032')[2] !== 'number')
    return 'it has no ImagePositionPatient, its place in the study';
  return null;
}

/** MONOCHROME1 asks for a reversed display; its values are Hounsfield units all the same. See imaging/hounsfield.ts. */
const GREYSCALE: ReadonlySet<string> = new Set(['MONOCHROME1', 'MONOCHROME2']);

function withoutImage(modality: string | undefined): string {
  if (modality === 'CT') return 'its header is cut off (no Rows, Columns and BitsAllocated)';
  return `it is a DICOM file without an image${modality ? ` (modality ${modality})` : ''}`;
}

const NEEDED_TEXT = [
  ['x00080018', 'SOPInstanceUID'],
  ['x0020000d', 'StudyInstanceUID'],
] as const;

function whyBroken(row: MetadataRow, header: Header): string | null {
  const { pixels, fileBytes, bytes, transferSyntax } = header;
  const need = (row.Rows * row.Columns * row.BitsAllocated) / 8;
  if (!pixels) return `it has no pixel data, ${need} bytes expected`;
  const isInFragments = pixels.lengthBytes === UNDEFINED_LENGTH;
  if (TRANSFER_SYNTAXES.get(transferSyntax)!.codec) {
    if (!isInFragments) return 'its compressed pixel data are not in fragments';
    const fragments = findFragments(bytes, pixels.offset, fileBytes);
    return 'reason' in fragments ? fragments.reason : null;
  }
  if (isInFragments) return 'its pixel data are in fragments, which its transfer syntax does not have';
  const have = Math.min(pixels.lengthBytes, fileBytes - pixels.offset);
  return have < need ? `its pixel data have ${have} of ${need} bytes` : null;
}

const UNDEFINED_LENGTH = 0xffffffff;

function makeRow(image: string, dataSet: DataSet): MetadataRow {
  const bits = dataSet.uint16('x00280100')!;
  // An element without a value (StudyID in the competition's files) is empty text; one that is not there is null.
  const text = (tag: string) => textOf(dataSet, tag) ?? (dataSet.elements[tag] ? '' : null);
  const decimal = (tag: string) => decimalsOf(dataSet, tag)[0] ?? null;
  const position = decimalsOf(dataSet, 'x00200032');
  const orientation = decimalsOf(dataSet, 'x00200037');
  const spacing = decimalsOf(dataSet, 'x00280030');
  return {
    Image: image,
    SOPInstanceUID: text('x00080018')!,
    StudyInstanceUID: text('x0020000d')!,
    SeriesInstanceUID: text('x0020000e'),
    PatientID: text('x00100020') ?? '',
    StudyID: text('x00200010'),
    Modality: text('x00080060'),
    PhotometricInterpretation: text('x00280004'),
    Rows: dataSet.uint16('x00280010')!,
    Columns: dataSet.uint16('x00280011')!,
    SamplesPerPixel: dataSet.uint16('x00280002') ?? 1,
    BitsAllocated: bits,
    BitsStored: dataSet.uint16('x00280101') ?? bits,
    HighBit: dataSet.uint16('x00280102') ?? null,
    PixelRepresentation: dataSet.uint16('x00280103') ?? 0,
    ImagePositionPatient_0: position[0] ?? null,
    ImagePositionPatient_1: position[1] ?? null,
    ImagePositionPatient_2: position[2]!,
    ImageOrientationPatient_0: orientation[0] ?? null,
    ImageOrientationPatient_1: orientation[1] ?? null,
    ImageOrientationPatient_2: orientation[2] ?? null,
    ImageOrientationPatient_3: orientation[3] ?? null,
    ImageOrientationPatient_4: orientation[4] ?? null,
    ImageOrientationPatient_5: orientation[5] ?? null,
    PixelSpacing_0: spacing[0] ?? null,
    PixelSpacing_1: spacing[1] ?? null,
    RescaleIntercept: decimal('x00281052'),
    RescaleSlope: decimal('x00281053'),
    WindowCenter: decimal('x00281050'),
    WindowWidth: decimal('x00281051'),
  };
}
