// Every file of golden/ is a pipeline that is wrong; the text beside it is what a person reads. `vitest -u` rewrites them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { formatDiagnostics } from '../../engine/load/diagnostic.ts';
import { loadPipeline } from '../../engine/load/load.ts';

const GOLDEN = join(import.meta.dirname, 'golden');
const root = mkdtempSync(join(tmpdir(), 'dag-errors-'));
mkdirSync(join(root, 'tasks'));
writeFileSync(join(root, 'tasks/train.ts'), '');
afterAll(() => rmSync(root, { recursive: true }));

for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.yml'))) {
  test(`${file} is refused with the text beside it`, async () => {
    const text = readFileSync(join(GOLDEN, file), 'utf8');
    const path = join(root, 'pipeline.yml');
    writeFileSync(path, text);
    const loaded = loadPipeline({ root, file: path, ...flagsOf(text) });
    if (loaded.ok) throw new Error(`${file} was accepted`);
    const printed = formatDiagnostics(loaded.error, () => text, { color: false, cwd: root });
    await expect(printed).toMatchFileSnapshot(join(GOLDEN, file.replace('.yml', '.txt')));
  });
}

/** `# --profile x --set a=1` on the first line. */
function flagsOf(text: string): { profile?: string; set: string[] } {
  const line = /^# (--.*)$/m.exec(text.split('\n')[0]!)?.[1] ?? '';
  const profile = /--profile (\S+)/.exec(line)?.[1];
  const set = [...line.matchAll(/--set (?:"([^"]*)"|(\S+))/g)].map((match) => match[1] ?? match[2]!);
  return { set, ...(profile === undefined ? {} : { profile }) };
}
