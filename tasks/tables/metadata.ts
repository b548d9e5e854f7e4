// The metadata table: one row an image, sorted by Image, with the columns that the competition's notebooks use.
import { InputError } from '../../engine/task.ts';
import { type Column, createParquet, type ParquetWriter, readParquet } from './parquet.ts';

export interface MetadataRow {
  /** The file's name without `.dcm`: the table's key. */
  readonly Image: string;
  readonly SOPInstanceUID: string;
  readonly StudyInstanceUID: string;
  readonly SeriesInstanceUID: string | null;
  /** Empty where the file has none. */
  readonly PatientID: string;
  readonly StudyID: string | null;
  readonly Modality: string | null;
  readonly PhotometricInterpretation: string | null;
  readonly Rows: number;
  readonly Columns: number;
  readonly SamplesPerPixel: number;
  readonly BitsAllocated: number;
  readonly BitsStored: number;
  readonly HighBit: number | null;
  /** 0 unsigned, 1 two's complement. */
  readonly PixelRepresentation: number;
  readonly ImagePositionPatient_0: number | null;
  readonly ImagePositionPatient_1: number | null;
  /** mm along the patient's long axis: a slice's place in its study. */
  readonly ImagePositionPatient_2: number;
  readonly ImageOrientationPatient_0: number | null;
  readonly ImageOrientationPatient_1: number | null;
  readonly ImageOrientationPatient_2: number | null;
  readonly ImageOrientationPatient_3: number | null;
  readonly ImageOrientationPatient_4: number | null;
  readonly ImageOrientationPatient_5: number | null;
  /** mm between the centres of rows, and of columns. */
  readonly PixelSpacing_0: number | null;
  readonly PixelSpacing_1: number | null;
  readonly RescaleIntercept: number | null;
  readonly RescaleSlope: number | null;
  /** The first value where the file has several. */
  readonly WindowCenter: number | null;
  readonly WindowWidth: number | null;
}

// Alphabetical as pipeline.md lists them, the key last.
const COLUMNS: readonly Column[] = [
  integer('BitsAllocated'),
  integer('BitsStored'),
  integer('Columns'),
  integer('HighBit', true),
  ...[0, 1, 2, 3, 4, 5].map((k) => double(`ImageOrientationPatient_${k}`, true)),
  ...[0, 1, 2].map((k) => double(`ImagePositionPatient_${k}`, k < 2)),
  text('Modality', true),
  text('PatientID'),
  text('PhotometricInterpretation', true),
  integer('PixelRepresentation'),
  double('PixelSpacing_0', true),
  double('PixelSpacing_1', true),
  double('RescaleIntercept', true),
  double('RescaleSlope', true),
  integer('Rows'),
  text('SOPInstanceUID'),
  integer('SamplesPerPixel'),
  text('SeriesInstanceUID', true),
  text('StudyID', true),
  text('StudyInstanceUID'),
  double('WindowCenter', true),
  double('WindowWidth', true),
  text('Image'),
];

export const METADATA_COLUMNS: readonly string[] = COLUMNS.map((column) => column.name);

export interface MetadataWriter {
  /** Rows must come sorted by Image (code units). */
  append(rows: readonly MetadataRow[]): Promise<void>;
  close(): Promise<void>;
}

export async function createMetadata(path: string): Promise<MetadataWriter> {
  return (await createParquet(path, COLUMNS)) as ParquetWriter & MetadataWriter;
}

/** The whole table, sorted by Image. InputError where the file is not Parquet or lacks a column. */
export async function readMetadata(path: string): Promise<MetadataRow[]> {
  return readMetadataColumns(path, METADATA_COLUMNS as (keyof MetadataRow)[]);
}

/** Only the named columns: much faster where a task needs three of thirty. */
export async function readMetadataColumns<Name extends keyof MetadataRow>(
  path: string,
  names: readonly Name[],
): Promise<Pick<MetadataRow, Name>[]> {
  const rows = await readParquet(path, names);
  const missing = names.filter((name) => rows.length > 0 && !(name in rows[0]!));
  if (missing.length > 0) throw new InputError(`${path}: no column ${missing.join(', ')}; is it a metadata table?`);
  return rows as unknown as Pick<MetadataRow, Name>[];
}

function integer(name: keyof MetadataRow, nullable = false): Column {
  return { name, type: 'integer', nullable };
}

function double(name: string, nullable = false): Column {
  return { name, type: 'double', nullable };
}

function text(name: keyof MetadataRow, nullable = false): Column {
  return { name, type: 'text', nullable };
}
