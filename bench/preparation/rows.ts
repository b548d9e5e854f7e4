// The metadata table at a hundred thousand rows: how long it takes to write and to read, and how much memory.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { createMetadata, type MetadataRow, readMetadata, readMetadataColumns } from '../../tasks/tables/metadata.ts';

const AT_ONCE = 1024;
const SLICES = 35;

export async function measureRows(count: number, path: string): Promise<string[]> {
  const start = { cpu: process.cpuUsage(), wall: performance.now(), rss: process.memoryUsage.rss() };
  let peak = start.rss;
  const lines: string[] = [];
  const say = (what: string) => {
    const { user, system } = process.cpuUsage(start.cpu);
    const wall = ((performance.now() - start.wall) / 1000).toFixed(2);
    const grown = ((peak - start.rss) / 2 ** 20).toFixed(0);
    lines.push(`${what}: ${((user + system) / 1e6).toFixed(2)} CPU s, ${wall} s, memory grew by ${grown} MiB at most`);
    [start.cpu, start.wall, start.rss] = [process.cpuUsage(), performance.now(), process.memoryUsage.rss()];
    peak = start.rss;
  };
  const table = await createMetadata(path);
  for (let from = 0; from < count; from += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - from);
    await table.append(Array.from({ length: size }, (_, k) => rowOf(from + k)));
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  await table.close();
  say(`${count} rows of 30 columns written, ${(statSync(path).size / 2 ** 20).toFixed(1)} MiB`);
  const three = await readMetadataColumns(path, ['Image', 'StudyInstanceUID', 'ImagePositionPatient_2']);
  peak = Math.max(peak, process.memoryUsage.rss());
  say(`three columns of ${three.length} rows read`);
  const all = await readMetadata(path);
  peak = Math.max(peak, process.memoryUsage.rss());
  say(`all columns of ${all.length} rows read`);
  return lines;
}

/** Like the competition's: text that is unlike every other row's, positions a slice apart, three pixel conventions. */
export function rowOf(k: number): MetadataRow {
  const study = Math.floor(k / SLICES);
  const hash = (number: number) => createHash('sha256').update(`${number}`).digest('hex').slice(0, 9);
  const signed = study % 3 === 0;
  return {
    Image: `ID_${String(k).padStart(9, '0')}`,
    SOPInstanceUID: `2.25.${hash(k)}${k}`,
    StudyInstanceUID: `2.25.${hash(study)}1`,
    SeriesInstanceUID: `2.25.${hash(study)}2`,
    PatientID: `ID_${hash(study >> 1)}`,
    StudyID: '',
    Modality: 'CT',
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: 512,
    Columns: 512,
    SamplesPerPixel: 1,
    BitsAllocated: 16,
    BitsStored: signed ? 16 : 12,
    HighBit: signed ? 15 : 11,
    PixelRepresentation: signed ? 1 : 0,
    ImagePositionPatient_0: -125,
    ImagePositionPatient_1: -124.7 - (study % 50) / 7,
    ImagePositionPatient_2: 40 + (k % SLICES) * 5.03,
    ImageOrientationPatient_0: 1,
    ImageOrientationPatient_1: 0,
    ImageOrientationPatient_2: 0,
    ImageOrientationPatient_3: 0,
    ImageOrientationPatient_4: 0.9345,
    ImageOrientationPatient_5: -0.3559,
    PixelSpacing_0: 0.488281,
    PixelSpacing_1: 0.488281,
    RescaleIntercept: study % 3 === 2 ? 0 : -1024,
    RescaleSlope: 1,
    WindowCenter: 30 + (study % 3),
    WindowWidth: 80,
  };
}
