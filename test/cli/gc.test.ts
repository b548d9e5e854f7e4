// gc: what goes by which limit, what is kept whatever the limit, and that a build beside it loses nothing.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Candidate, chooseDropped } from '../../engine/project/retention.ts';
import { openProject, type Project } from '../rigs/project.ts';
import { began, go, start } from './rig.ts';

/** 100 kB a result, another for each word. */
function project(): Project {
  return openProject({
    'pipeline.yml': `
params: { word: one }
tasks:
  big: { run: "yes \${params.word} | head -c 100000 > \${out.x}", params: { word: "\${word}" }, out: { x: out/big } }
`,
  });
}

const words = async (p: Project, ...list: string[]) => {
  for (const word of list) expect((await p.run('--set', `word=${word}`)).ran).toEqual(['big']);
};

const restores = async (p: Project, word: string) => (await p.run('--set', `word=${word}`)).restored.length === 1;

function objects(p: Project): number {
  const root = p.path('.dag/v1/objects');
  return existsSync(root)
    ? readdirSync(root).reduce((sum, name) => sum + readdirSync(path.join(root, name)).length, 0)
    : 0;
}

async function gc(p: Project, ...flags: string[]) {
  const answer = await p.dag('gc', '--json', ...flags);
  if (answer.code !== 0) throw new Error(answer.stderr);
  return JSON.parse(answer.stdout);
}

describe('gc', () => {
  test('without limits drops no result', async () => {
    const p = project();
    await words(p, 'one', 'two');
    expect(await gc(p)).toMatchObject({ records: 0, bytes: 0, keptBytes: 200_000 });
  });

  test('--keep-runs keeps what the last runs had and drops the rest; --dry-run only says so', async () => {
    const p = project();
    await words(p, 'one', 'two', 'three');
    expect(await gc(p, '--keep-runs', '2', '--dry-run')).toMatchObject({ records: 1, objects: 1, bytes: 100_000 });
    expect(objects(p)).toBe(3);
    expect(await gc(p, '--keep-runs', '2')).toMatchObject({ dropped: ['big'], bytes: 100_000, keptBytes: 200_000 });
    expect(objects(p)).toBe(2);
    expect(await restores(p, 'two')).toBe(true);
    await words(p, 'one');
  });

  test('--max-size drops the longest unused first, and never what the work tree is made of', async () => {
    const p = project();
    await words(p, 'one', 'two', 'three');
    expect(await restores(p, 'one')).toBe(true);
    expect(await gc(p, '--max-size', '200kB')).toMatchObject({ records: 1, keptBytes: 200_000 });
    expect(await restores(p, 'three')).toBe(true);
    await words(p, 'two');
    await gc(p, '--max-size', '1kB');
    expect(objects(p)).toBe(1);
    expect(await p.run('--set', 'word=two')).toMatchObject({ ran: [], fresh: ['big'] });
  });

  test('--max-age keeps what is younger', async () => {
    const p = project();
    await words(p, 'one', 'two');
    expect(await gc(p, '--max-age', '1h')).toMatchObject({ records: 0 });
    expect(await gc(p, '--max-age', '1ms')).toMatchObject({ records: 1 });
  });

  test('a parameter that was put back without running keeps its result', async () => {
    const p = project();
    p.edit('pipeline.yml', 'yes ${params.word}', 'true ${params.word}; yes same');
    await words(p, 'one', 'two');
    expect((await p.run('--set', 'word=one')).fresh).toEqual(['big']);
    await gc(p, '--keep-runs', '0');
    expect((await p.run('--set', 'word=one')).fresh).toEqual(['big']);
  });

  test('a pinned run and a pinned node stay until they are unpinned', async () => {
    const p = project();
    await words(p, 'one');
    await p.dag('gc', '--pin', 'big');
    await words(p, 'two');
    await p.dag('gc', '--pin', 'last');
    await words(p, 'three');
    expect((await p.dag('gc', '--pins')).stdout).toContain('big  1 results');
    expect(await gc(p, '--keep-runs', '0')).toMatchObject({ records: 0 });
    await p.dag('gc', '--unpin', 'big');
    expect(await gc(p, '--keep-runs', '0')).toMatchObject({ records: 1 });
    expect(await restores(p, 'two')).toBe(true);
  });

  test('what cannot be read is refused', async () => {
    const p = project();
    expect((await p.dag('gc', '--max-size', '10')).stderr).toContain(
      '--max-size "10" cannot be read; write it like --max-size 50GB or 200MiB',
    );
    expect((await p.dag('gc', '--max-age', 'long')).stderr).toContain('--max-age "long" cannot be read');
    expect((await p.dag('gc', '--pin', 'big')).stderr).toContain('has no result to pin');
  });

  test('a build beside it keeps the bytes that it found in the store and counts on', async () => {
    const p = openProject({
      'pipeline.yml': `
params: { word: one, hold: 0 }
tasks:
  big: { run: "yes \${params.word} | head -c 100000 > \${out.x}", params: { word: "\${word}" }, out: { x: out/big } }
  same: { run: "yes one | head -c 100000 > \${out.x}", params: { hold: "\${hold}" }, out: { x: out/same } }
  held: { run: "if [ \${params.hold} = 1 ]; then touch .held-began; while [ ! -e .held-go ]; do sleep 0.05; done; fi; cp \${in.x} \${out.x}", in: { x: "\${same.x}" }, params: { hold: "\${hold}" }, out: { x: out/held } }
`,
    });
    await p.run('big');
    await p.run('big', '--set', 'word=two');
    // Nothing but the dropped record leads to the bytes of `yes one` until this build's record does.
    const build = start(p, 'run', 'held', '--set', 'hold=1');
    await began(p, 'held');
    const found = await gc(p, '--keep-runs', '0');
    expect(found.builds).toHaveLength(1);
    expect(found).toMatchObject({ records: 1 });
    go(p, 'held');
    expect(await build.ended).toBe(0);
    await p.dag('clean');
    expect((await p.run('held', '--set', 'hold=1')).restored).toEqual(['same', 'held']);
    expect((await p.dag('verify')).code).toBe(0);
  });
});

describe('what to drop', () => {
  const result = fc.record({
    lastUsedMs: fc.integer({ min: 0, max: 100 }),
    isProtected: fc.boolean(),
    sizes: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 9 })), { maxLength: 3 }),
  });
  const results = fc.array(result, { maxLength: 8 }).map((list) =>
    list.map(
      ({ sizes, ...rest }, at): Candidate => ({
        key: `k${at}`,
        ...rest,
        files: () => sizes.map(([name]) => [name, name.charCodeAt(0) - 90] as const),
      }),
    ),
  );

  test('never what is protected; afterwards sizes and ages hold for all that is not', () => {
    fc.assert(
      fc.property(
        results,
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 100 }),
        (all, maxBytes, maxAgeMs) => {
          const dropped = new Set(chooseDropped(all, { maxBytes, maxAgeMs, keepRuns: null }, 100));
          const kept = all.filter(({ key }) => !dropped.has(key));
          expect(all.filter(({ isProtected, key }) => isProtected && dropped.has(key))).toEqual([]);
          const free = kept.filter(({ isProtected }) => !isProtected);
          expect(free.every(({ lastUsedMs }) => 100 - lastUsedMs <= maxAgeMs)).toBe(true);
          const bytes = new Map(kept.flatMap((one) => [...one.files()]));
          const total = [...bytes.values()].reduce((sum, size) => sum + size, 0);
          if (free.length > 0) expect(total).toBeLessThanOrEqual(maxBytes);
          const oldestKept = Math.min(...free.map(({ lastUsedMs }) => lastUsedMs));
          const youngestDropped = Math.max(
            ...all.filter(({ key }) => dropped.has(key)).map(({ lastUsedMs }) => lastUsedMs),
          );
          if (free.length > 0 && dropped.size > 0) expect(youngestDropped).toBeLessThanOrEqual(oldestKept);
        },
      ),
    );
  });
});
