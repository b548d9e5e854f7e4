// Many small DICOM files, cheaply: for what is measured by the number of files and not by their pixels.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawStudy } from '../../tasks/phantom/study.ts';

/** One drawn study over and over, under other UIDs: drawing twenty thousand slices would take longer than all the rest. */
export function makeFiles(folder: string, count: number, side: number): void {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length === count) return;
  const study = drawStudy(1, 0, 0, side).map(({ file }) => file.toString('latin1'));
  for (let k = 0; k < count; k++) {
    const number = String(Math.floor(k / study.length)).padStart(6, '0');
    const text = study[k % study.length]!.replaceAll(/2\.25\.\d{20,}/g, (uid) => uid.slice(0, -number.length) + number);
    writeFileSync(join(folder, `ID_${String(k).padStart(9, '0')}.dcm`), Buffer.from(text, 'latin1'));
  }
}
