// The phantom's files as others read them: dcmtk's dcmdump and pydicom, where they are installed (`.ci/run` installs
// them); the digest of one study stands for it everywhere.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { drawStudy } from '../../tasks/phantom/study.ts';
import { encodeHandMade } from '../imaging/dataset.ts';

const folder = mkdtempSync(join(tmpdir(), 'dag-tools-'));
const study = drawStudy(1, 0, 0, 64);
const files = ['explicit-little', 'implicit-little', 'explicit-big'].map((syntax) => join(folder, `${syntax}.dcm`));
const pixel = (row: number, column: number) => row * 300 - column;
for (const path of files) {
  const syntax = path.split('/').pop()!.slice(0, -4) as 'explicit-little';
  writeFileSync(path, encodeHandMade({ name: 'tools', rows: 40, columns: 30, pixel, z: 1.5, syntax }));
}
const phantom = join(folder, 'phantom.dcm');
writeFileSync(phantom, study[0]!.file);

it('draws the same bytes as ever', () => {
  const files = Buffer.concat(study.map((image) => image.file));
  expect(createHash('sha256').update(files).digest('hex')).toBe(
    'a3a025ee37d6ba6e388d2004fa05f199908407e235660d783785b76d0129a49c',
  );
});

it.runIf(spawnSync('dcmdump', ['--version']).status === 0)('is read by dcmdump without a warning', () => {
  for (const path of [...files, phantom]) {
    const { status, stdout, stderr } = spawnSync('dcmdump', ['-q', path], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('=CTImageStorage');
  }
});

const hasPydicom = spawnSync('/usr/bin/python3', ['-c', 'import pydicom, numpy']).status === 0;

it.runIf(hasPydicom)('is read by pydicom with the pixels that were written', () => {
  const program = `
import sys, warnings, pydicom
warnings.simplefilter("error")
for path in sys.argv[1:]:
    ds = pydicom.dcmread(path)
    print(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID, ds.pixel_array.shape, int(ds.pixel_array.astype(int).sum()))
`;
  const output = execFileSync('/usr/bin/python3', ['-c', program, ...files], { encoding: 'utf8' });
  let sum = 0;
  for (let i = 0; i < 1200; i++) sum += pixel(Math.floor(i / 30), i % 30);
  expect(output).toBe(`True (40, 30) ${sum}\n`.repeat(3));
  expect(execFileSync('/usr/bin/python3', ['-c', program, phantom], { encoding: 'utf8' })).toMatch(/^True \(64, /);
});
