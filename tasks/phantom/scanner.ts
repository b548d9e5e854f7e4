// From Hounsfield units to a DICOM file, in the three pixel conventions that the competition's scanners left behind.
import type { ElementToWrite } from '../dicom/write.ts';

/**
 * `signed`: 16 bits, intercept -1024, -2000 outside the scanner's circle. `unsigned`: 12 of 16 bits, intercept -1024.
 * `wrapped`: 12 of 16 bits, intercept 0; negative values wrapped around 4096, which readers must repair.
 */
export const CONVENTIONS = ['signed', 'unsigned', 'wrapped'] as const;
export type Convention = (typeof CONVENTIONS)[number];

export const CT_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.2';

export interface ScannedSlice {
  readonly hu: Int16Array;
  readonly rows: number;
  readonly columns: number;
  readonly spacingMm: number;
  readonly convention: Convention;
  readonly patientId: string;
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly sopInstanceUid: string;
  readonly position: readonly [number, number, number];
  readonly orientation: readonly number[];
  /** True writes the window twice, as some of the competition's files have it. */
  readonly manyWindows: boolean;
}

export function sliceElements(slice: ScannedSlice): ElementToWrite[] {
  const signed = slice.convention === 'signed';
  const bits = signed ? 16 : 12;
  return [
    { tag: 0x00080016, vr: 'UI', value: CT_IMAGE_STORAGE },
    { tag: 0x00080018, vr: 'UI', value: slice.sopInstanceUid },
    { tag: 0x00080060, vr: 'CS', value: 'CT' },
    { tag: 0x00100020, vr: 'LO', value: slice.patientId },
    { tag: 0x0020000d, vr: 'UI', value: slice.studyUid },
    { tag: 0x0020000e, vr: 'UI', value: slice.seriesUid },
    { tag: 0x00200010, vr: 'SH', value: '' },
    { tag: 0x00200032, vr: 'DS', value: slice.position.map(decimal) },
    { tag: 0x00200037, vr: 'DS', value: slice.orientation.map(decimal) },
    { tag: 0x00280002, vr: 'US', value: [1] },
    { tag: 0x00280004, vr: 'CS', value: 'MONOCHROME2' },
    { tag: 0x00280010, vr: 'US', value: [slice.rows] },
    { tag: 0x00280011, vr: 'US', value: [slice.columns] },
    { tag: 0x00280030, vr: 'DS', value: [decimal(slice.spacingMm), decimal(slice.spacingMm)] },
    { tag: 0x00280100, vr: 'US', value: [16] },
    { tag: 0x00280101, vr: 'US', value: [bits] },
    { tag: 0x00280102, vr: 'US', value: [bits - 1] },
    { tag: 0x00280103, vr: 'US', value: [signed ? 1 : 0] },
    { tag: 0x00281050, vr: 'DS', value: slice.manyWindows ? ['00036', '00036'] : '30' },
    { tag: 0x00281051, vr: 'DS', value: slice.manyWindows ? ['00080', '00080'] : '80' },
    { tag: 0x00281052, vr: 'DS', value: slice.convention === 'wrapped' ? '0' : '-1024' },
    { tag: 0x00281053, vr: 'DS', value: '1' },
    { tag: 0x7fe00010, vr: 'OW', value: storedPixels(slice) },
  ];
}

/** A decimal string of at most 16 characters (PS3.5, DS). */
export function decimal(value: number): string {
  return String(Math.round(value * 1e6) / 1e6);
}

function storedPixels({ hu, rows, columns, convention }: ScannedSlice): Uint16Array {
  if (convention === 'signed') return signedPixels(hu, rows, columns);
  const stored = new Uint16Array(hu.length);
  for (let i = 0; i < stored.length; i++) {
    if (convention === 'unsigned') stored[i] = clamp(hu[i]! + 1024, 0, 4095);
    else stored[i] = (clamp(hu[i]!, -1000, 3095) + 4096) % 4096;
  }
  return stored;
}

function signedPixels(hu: Int16Array, rows: number, columns: number): Uint16Array {
  const stored = new Uint16Array(hu.length);
  const radius = Math.max(rows, columns) / 2;
  for (let row = 0, i = 0; row < rows; row++) {
    const y = row + 0.5 - rows / 2;
    for (let column = 0; column < columns; column++, i++) {
      const x = column + 0.5 - columns / 2;
      stored[i] = x * x + y * y > radius * radius ? -2000 : hu[i]! + 1024; // Assignment keeps the low 16 bits.
    }
  }
  return stored;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
