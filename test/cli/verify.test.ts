// verify: damage in the store and in artifacts is found, set aside and mended where it can be; --rerun audits determinism.
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openProject, type Project } from '../rigs/project.ts';

const BIG = {
  'pipeline.yml': `
tasks:
  big: { run: "yes $(cat \${in.x}) | head -c 100000 > \${out.x}", in: { x: word.txt }, out: { x: out/big } }
  folder: { run: "mkdir \${out.x}; cp \${in.x} \${out.x}/copy; echo small > \${out.x}/small", in: { x: "\${big.x}" }, out: { x: out/folder } }
`,
  'word.txt': 'word\n',
};

function objects(p: Project): string[] {
  const root = p.path('.dag/v1/objects');
  return readdirSync(root).flatMap((prefix) =>
    readdirSync(path.join(root, prefix)).map((name) => path.join(root, prefix, name)),
  );
}

/** Changes one byte and leaves no trace in size or mtime, as a disk that rots would. */
function flip(file: string): void {
  const { atime, mtime } = statSync(file);
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  chmodSync(file, 0o644);
  writeFileSync(file, bytes);
  chmodSync(file, 0o444);
  utimesSync(file, atime, mtime);
}

describe('verify', () => {
  test('says that all is whole, and exits with 0', async () => {
    const p = openProject(BIG);
    await p.run();
    const answer = await p.dag('verify');
    expect(answer.code).toBe(0);
    expect(answer.stdout).toContain('all whole');
  });

  test('a flipped byte in the store is found, set aside, and put back from the whole artifact', async () => {
    const p = openProject(BIG);
    await p.run();
    const [object] = objects(p);
    flip(object!);
    const answer = await p.dag('verify', '--json');
    expect(answer.code).toBe(1);
    const report = JSON.parse(answer.stdout);
    expect(report).toMatchObject({ ok: false, artifacts: [], repaired: ['big', 'folder'], rerun: [] });
    expect(report.store.damaged).toHaveLength(1);
    expect(readdirSync(p.path('.dag/v1/damaged'))).toHaveLength(1);
    expect((await p.dag('verify')).code).toBe(0);
    await p.dag('clean');
    expect(await p.run()).toMatchObject({ ran: [], restored: ['big', 'folder'] });
  });

  test('an altered artifact is found although its times are as they were, and the next run restores it', async () => {
    const p = openProject(BIG);
    await p.run();
    const before = p.read('out/folder/copy');
    flip(p.path('out/folder/copy'));
    const answer = await p.dag('verify', '--json');
    expect(answer.code).toBe(1);
    expect(JSON.parse(answer.stdout)).toMatchObject({
      artifacts: [{ node: 'folder', path: 'out/folder/copy', found: 'altered' }],
      restore: ['folder'],
    });
    expect(await p.run()).toMatchObject({ ran: [], restored: ['folder'] });
    expect(p.read('out/folder/copy')).toBe(before);
  });

  test('damaged in store and work tree alike, the node is named to rerun, and a run makes it again', async () => {
    const p = openProject(BIG);
    await p.run();
    const before = p.read('out/big');
    for (const object of objects(p)) flip(object);
    flip(p.path('out/big'));
    flip(p.path('out/folder/copy'));
    const answer = await p.dag('verify');
    expect(answer.code).toBe(1);
    expect(answer.stdout).toContain("big: `dag run 'big'` makes its result again");
    expect((await p.run()).ran).toEqual(['big', 'folder']);
    expect(p.read('out/big')).toBe(before);
    expect((await p.dag('verify')).code).toBe(0);
  });

  test('a file too many in a folder, and one missing, are named', async () => {
    const p = openProject(BIG);
    await p.run();
    p.write('out/folder/more', 'x');
    const { artifacts } = JSON.parse((await p.dag('verify', '--json')).stdout);
    expect(artifacts).toEqual([{ node: 'folder', path: 'out/folder/more', found: 'extra' }]);
  });

  test('an artifact that was cleaned away is no damage', async () => {
    const p = openProject(BIG);
    await p.run();
    await p.dag('clean');
    expect((await p.dag('verify')).code).toBe(0);
  });
});

describe('verify --rerun', () => {
  const CHANCE = {
    'pipeline.yml': `
tasks:
  even: { run: "cp word.txt \${out.x}", out: { x: out/even } }
  odd: { use: odd.ts, in: { x: "\${even.x}" }, out: { x: out/odd } }
  shell: { run: "mkdir \${out.x}; echo same > \${out.x}/same; date +%N > \${out.x}/time", out: { x: out/shell } }
`,
    'word.txt': 'word\n',
    'odd.ts': `
import { mkdirSync, writeFileSync } from 'node:fs';
export default {
  run(ctx: any) {
    mkdirSync(ctx.output('x'));
    writeFileSync(ctx.output('x') + '/same', 'same');
    writeFileSync(ctx.output('x') + '/chance', String(Math.random()));
  },
};
`,
  };

  test('names the files that differ, of module and shell tasks, and leaves the project as it was', async () => {
    const p = openProject(CHANCE);
    await p.run();
    const before = [p.read('out/odd/chance'), p.read('out/shell/time')];
    const answer = await p.dag('verify', '--rerun', '--json');
    expect(answer.code).toBe(1);
    expect(JSON.parse(answer.stdout).nodes).toMatchObject([
      { name: 'even', outcome: { kind: 'equal' } },
      { name: 'odd', outcome: { kind: 'differs', total: 1, files: [{ path: 'out/odd/chance', change: 'changed' }] } },
      { name: 'shell', outcome: { kind: 'differs', total: 1, files: [{ path: 'out/shell/time', change: 'changed' }] } },
    ]);
    expect([p.read('out/odd/chance'), p.read('out/shell/time')]).toEqual(before);
    expect(existsSync(p.path('.dag/audit'))).toBe(false);
    expect((await p.run()).ran).toEqual([]);
    expect((await p.dag('verify', '--rerun', 'even')).code).toBe(0);
  });

  test('refuses a node that is not fresh', async () => {
    const p = openProject(CHANCE);
    const answer = await p.dag('verify', '--rerun', 'even');
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('even is not fresh');
  });
});
