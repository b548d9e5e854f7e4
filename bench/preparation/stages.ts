// Where the time of a picture goes: each stage of the png task on its own, in one thread, by CPU seconds. What reading and
// writing alone take says how far the disk is from being the limit.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readHeader, textOf } from '../../tasks/dicom/header.ts';
import { readImage } from '../../tasks/dicom/pixels.ts';
import { cropHead } from '../../tasks/imaging/crop.ts';
import { encodePng } from '../../tasks/imaging/encode.ts';
import { toPlanes } from '../../tasks/imaging/hounsfield.ts';
import { clipTable, WINDOWS, windowTable } from '../../tasks/imaging/windows.ts';

export interface Stage {
  readonly name: string;
  /** All images together. */
  readonly cpuSeconds: number;
  readonly bytes: number;
}

/** Both kinds of picture of the images of a folder. The files should lie in the page cache: the CPU's share is wanted. */
export async function measureStages(folder: string, out: string): Promise<{ stages: Stage[]; images: number }> {
  mkdirSync(out, { recursive: true });
  const paths = inStudies(readdirSync(folder).map((name) => join(folder, name)));
  const { brain, subdural, bone } = WINDOWS;
  const tables = [clipTable(), ...[brain, subdural, bone].map(windowTable)];
  const stages = new Map<string, { cpuSeconds: number; bytes: number }>();
  const measure = async <T>(name: string, bytes: (result: T) => number, work: () => T | Promise<T>): Promise<T> => {
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    const stage = stages.get(name) ?? { cpuSeconds: 0, bytes: 0 };
    stages.set(name, { cpuSeconds: stage.cpuSeconds + (user + system) / 1e6, bytes: stage.bytes + bytes(result) });
    return result;
  };
  const none = () => 0;
  for (const path of paths) {
    await measure(
      'read the file',
      ({ length }) => length,
      () => readFileSync(path),
    );
    const image = await measure('read, parse, find the pixels', none, () => readImage(path));
    if ('reason' in image) continue;
    const { rows, columns, planes } = await measure('Hounsfield units to 4 planes', none, () =>
      toPlanes(image, tables),
    );
    const [clip, ...windows] = planes as [Uint8Array, ...Uint8Array[]];
    for (const channels of [[clip, clip, clip], windows]) {
      const head = await measure('label and crop', none, () => cropHead(channels, rows, columns));
      const png = await measure('encode the PNG', none, () => encodePng(head));
      await measure('write the PNG', none, () => writeFileSync(join(out, 'picture.png'), png));
      stages.get('write the PNG')!.bytes += png.length;
    }
  }
  return { stages: [...stages].map(([name, stage]) => ({ name, ...stage })), images: paths.length };
}

/** The order in which the task reads them: a study has one convention, and its tables are made once. */
function inStudies(paths: readonly string[]): string[] {
  const studyOf = new Map(
    paths.map((path) => {
      const header = readHeader(path);
      return [path, 'reason' in header ? '' : (textOf(header.dataSet, 'x0020000d') ?? '')];
    }),
  );
  return [...paths].sort((a, b) => (studyOf.get(a)! < studyOf.get(b)! ? -1 : 1));
}
