// A journal cut at every byte: what was whole is read, what is torn is told, and the next run goes on.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { journalFile, readJournal, runIds } from '../../engine/journal/read.ts';
import { pastRun } from '../../engine/journal/runs.ts';
import { snapshots } from '../../engine/journal/snapshot.ts';
import type { Project } from '../rigs/project.ts';
import { createEveryKind, textOf } from './rig.ts';

let p: Project;
afterEach(() => p?.remove());

test('every whole line of a journal is read, wherever it is cut', async () => {
  p = createEveryKind();
  await p.run();
  p.write('source.txt', textOf(1));
  await p.run();
  const folder = p.path('.dag/runs');
  const id = runIds(folder).at(-1)!;
  const bytes = readFileSync(journalFile(folder, id));
  let known = Number.POSITIVE_INFINITY;
  const copy = mkdtempSync(path.join(os.tmpdir(), 'dag-journal-'));
  try {
    for (let size = bytes.length; size >= 0; size--) {
      const cut = bytes.subarray(0, size);
      writeFileSync(journalFile(copy, id), cut);
      const journal = readJournal(copy, id);
      // One trouble is the torn line: no whole one is among what could not be read.
      expect(journal.trouble).toHaveLength(size > 0 && cut.at(-1) !== 10 ? 1 : 0);
      expect(journal.events.length).toBeLessThanOrEqual(known);
      known = journal.events.length;
      pastRun(journal, null);
      snapshots(copy, [id], [id]);
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test('history and the next run pass over a torn journal', async () => {
  p = createEveryKind();
  await p.run();
  const file = journalFile(p.path('.dag/runs'), runIds(p.path('.dag/runs'))[0]!);
  writeFileSync(file, readFileSync(file).subarray(0, -20));
  const history = await p.dag('history');
  expect(history.code).toBe(0);
  expect(history.stderr + history.stdout).toContain('torn');
  expect(await p.run()).toMatchObject({ ok: true, ran: [] });
});
