// gc and what runs left behind: what goes, what stays because somebody may take it up again, and that a build loses nothing.
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, utimesSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { cacheGarbage, takeClaimsAway } from '../../engine/state/garbage.ts';
import { createProject, type Project } from '../rigs/project.ts';

const open: Project[] = [];
afterEach(() => {
  for (const project of open.splice(0)) project.remove();
});

async function gc(p: Project, ...flags: string[]) {
  const answer = await p.dag('gc', '--json', ...flags);
  if (answer.code !== 0) throw new Error(answer.stderr);
  return JSON.parse(answer.stdout);
}

describe('what runs left behind', () => {
  const module = (text: string) => `import { writeFileSync } from 'node:fs';
export default { run(ctx) { writeFileSync(ctx.scratch + '/part', '${text}'.repeat(1000)); if ('${text}' !== 'good') throw new Error('no'); writeFileSync(ctx.output('x'), ''); } };
`;
  const trying = () => {
    const made = createProject({
      'pipeline.yml': 'tasks: { a: { use: tasks/a.mjs, out: { x: out/a } } }\n',
      'tasks/a.mjs': module('one'),
    });
    open.push(made);
    return made;
  };
  const scratches = (p: Project) => readdirSync(p.path('.dag/scratch')).length;

  test('bundles and scratch of keys that their node left go, the scratch of its last key stays; --dry-run tells the same', async () => {
    const p = trying();
    expect((await p.dag('run')).code).toBe(1);
    p.write('tasks/a.mjs', module('two'));
    expect((await p.dag('run')).code).toBe(1);
    expect(scratches(p)).toBe(2);
    mkdirSync(p.path('.dag/each/0123456789abcdef'), { recursive: true });
    p.write('.dag/each/0123456789abcdef/item', 'x'.repeat(500));
    const told = await gc(p, '--dry-run');
    expect(told.leftovers).toMatchObject({
      code: { count: 2 },
      scratch: { count: 1, bytes: 3000 },
      items: { count: 1, bytes: 500 },
    });
    expect(scratches(p)).toBe(2);
    expect((await gc(p)).leftovers).toEqual(told.leftovers);
    expect(scratches(p)).toBe(1);
    expect(readdirSync(p.path('.dag/code'))).toEqual([]);
    expect(readdirSync(p.path('.dag/each'))).toEqual([]);
    p.write('tasks/a.mjs', module('good'));
    expect(await p.run()).toMatchObject({ ok: true, ran: ['a'] });
    expect((await p.dag('gc')).stdout).toMatch(
      /^freed [\d.]+ kB; \d+ B of results stay\n {2}[\d.]+ kB: 1 × bundled code of earlier runs\n/,
    );
    expect((await p.dag('gc')).stdout).toMatch(/^freed 0 B; \d+ B of results stay\n$/);
  });

  test('what another profile, --set or matrix was interrupted at stays', async () => {
    const p = createProject({
      'pipeline.yml': `
params: { size: 1, which: [one, two] }
profiles: { full: { size: 2 }, tiny: { size: 3 } }
tasks: { a: { use: tasks/a.mjs, matrix: { i: "\${which}" }, params: { size: "\${size}", word: "\${i}" }, out: { x: 'out/a-\${i}' } } }
`,
      'tasks/a.mjs': `import { writeFileSync } from 'node:fs';
export const item = (name) => name;
export default { async run(ctx) {
  writeFileSync(ctx.output('x'), '');
  if (ctx.params.size === 1) return;
  writeFileSync(ctx.scratch + '/part', '');
  await ctx.each(['item'], { key: (name) => name, inputs: () => [] }, item);
  throw new Error('no');
} };
`,
    });
    open.push(p);
    for (const flags of [
      ['--profile', 'full'],
      ['--set', 'size=4'],
      ['--profile', 'tiny'],
    ])
      expect((await p.dag('run', '--keep-going', ...flags)).code).toBe(1);
    const items = readdirSync(p.path('.dag/each')).length;
    expect(scratches(p)).toBe(6);
    expect(items).toBe(2);
    p.edit('pipeline.yml', '[one, two]', '[three]');
    await p.run();
    await gc(p);
    expect(scratches(p)).toBe(6);
    expect(readdirSync(p.path('.dag/each'))).toHaveLength(items);
  });

  describe('scratch that is older than --max-age', () => {
    /** `old` was interrupted in profile `once`, `now` in the profile that is run since. */
    const interrupted = async () => {
      const p = createProject({
        'pipeline.yml': `
params: { name: now, word: x }
profile: usual
profiles: { usual: {}, once: { name: old } }
tasks: { a: { use: tasks/a.mjs, matrix: { i: ["\${name}"] }, params: { word: "\${word}", i: "\${i}" }, out: { x: 'out/a-\${i}' } } }
`,
        'tasks/a.mjs': module('one'),
      });
      open.push(p);
      await p.dag('run', '--profile', 'once', '--set', 'word=y');
      await p.dag('run', '--profile', 'once');
      await p.dag('run');
      expect(scratches(p)).toBe(3);
      return p;
    };

    test('goes where no profile in use has its node; that of the present profile and of the kept runs stays', async () => {
      const p = await interrupted();
      expect((await gc(p)).leftovers.scratch).toBeUndefined();
      expect((await gc(p, '--max-age', '1h')).leftovers.scratch).toBeUndefined();
      expect((await gc(p, '--max-age', '1ms', '--keep-runs', '2')).leftovers.scratch).toMatchObject({ count: 1 });
      expect((await gc(p, '--max-age', '1ms', '--dry-run')).leftovers.scratch).toMatchObject({ count: 1 });
      expect((await gc(p, '--max-age', '1ms', '--profile', 'once')).leftovers.scratch).toBeUndefined();
      expect((await gc(p, '--max-age', '1ms')).leftovers.scratch).toMatchObject({ count: 1 });
      expect(scratches(p)).toBe(1);
      expect((await p.dag('run')).code).toBe(1);
      expect(scratches(p)).toBe(1);
    });

    test('goes where the profile is in use but has lost the node', async () => {
      const p = await interrupted();
      p.edit('pipeline.yml', 'name: now', 'name: other');
      expect((await gc(p, '--max-age', '1ms')).leftovers.scratch).toMatchObject({ count: 3 });
    });

    test('stays where something in it was written since', async () => {
      const p = await interrupted();
      const inAnHour = new Date(Date.now() + 3_600_000);
      for (const name of readdirSync(p.path('.dag/scratch')))
        utimesSync(p.path(`.dag/scratch/${name}/part`), inAnHour, inAnHour);
      expect((await gc(p, '--max-age', '1ms')).leftovers.scratch).toBeUndefined();
    });
  });

  test('beside a running build they stay', async () => {
    const p = trying();
    await p.dag('run');
    p.write('tasks/b.mjs', `${module('two')}\n`);
    p.edit(
      'pipeline.yml',
      'tasks: {',
      'tasks: { wait: { run: "touch begun; until test -e go; do :; done; touch ${out.o}", out: { o: out/wait } },',
    );
    const building = p.dag('run', 'wait');
    await p.until('begun');
    expect((await gc(p)).leftovers).toEqual({});
    expect(scratches(p)).toBe(1);
    p.write('go', '');
    expect((await building).code).toBe(0);
  });

  test('claims of a shared cache go when nobody has it open', async () => {
    const p = createProject({
      'pipeline.yml':
        'tasks: { big: { run: "echo ${params.word} > ${out.x}", params: { word: one }, out: { x: out/big } } }\n',
    });
    open.push(p);
    const shared = p.with({ DAG_CACHE: p.path('cache') });
    await shared.run();
    const claims = p.path('cache/v1/claims');
    expect(readdirSync(claims)).toHaveLength(1);
    const json = JSON.parse((await shared.dag('gc', '--json')).stdout);
    expect(json.leftovers.claims).toMatchObject({ count: 1 });
    expect(existsSync(claims)).toBe(false);
    p.edit('pipeline.yml', 'word: one', 'word: two');
    expect((await shared.run()).ran).toEqual(['big']);
  });

  test('claims are taken away though a killed collection of the same number left some', () => {
    const p = createProject({ 'claims/new/1': '', [`claims-${process.pid}/old/1`]: '' });
    open.push(p);
    takeClaimsAway(p.root);
    expect(readdirSync(p.root)).toEqual([`claims-${process.pid}`]);
    expect(readdirSync(p.path(`claims-${process.pid}`))).toEqual(['new']);
  });

  test('what was set aside as damaged stays for a week', async () => {
    const p = trying();
    await p.dag('run');
    truncateSync(p.path('.dag/v1/index.mdb'), 5000);
    const answer = await p.dag('gc', '--json');
    expect(answer.stderr).toMatch(/entries from the copy|there was no copy/);
    expect(answer.stderr).toContain('none from the damaged file');
    expect(JSON.parse(answer.stdout).leftovers).not.toHaveProperty('damaged');
    const [name] = readdirSync(p.path('.dag/v1/damaged'));
    const later = (days: number) => cacheGarbage(p.path('.dag/v1'), Date.now() + days * 24 * 3600 * 1000).damaged;
    expect(later(6)).toEqual([]);
    expect(later(8)).toEqual([{ kind: 'damaged', paths: [p.path(`.dag/v1/damaged/${name}`)], bytes: 5000 }]);
  });

  test('a scratch folder and what says how long its node ran are one', async () => {
    const p = trying();
    await p.dag('run');
    const [key] = readdirSync(p.path('.dag/scratch'));
    p.write(`.dag/scratch/${key}.turns.json`, '{}');
    p.write('tasks/a.mjs', module('good'));
    await p.run();
    p.write(`.dag/scratch/${key}/part`, 'x');
    expect((await gc(p)).leftovers.scratch).toEqual({ count: 1, bytes: 3 });
    expect(existsSync(p.path(`.dag/scratch/${key}.turns.json`))).toBe(false);
  });

  test('what stays since another machine may have the cache open is told, with the file to remove', async () => {
    const p = trying();
    await p.dag('run');
    const marker = '.dag/v1/open/elsewhere~7~x~y';
    p.write(marker, '');
    expect((await p.dag('gc')).stderr).toContain(`process 7 on elsewhere: if it is gone, remove ${p.path(marker)}`);
    expect(readdirSync(p.path('.dag/code'))).toHaveLength(1);
    rmSync(p.path(marker));
    expect((await p.dag('gc')).stderr).toBe('');
    expect(readdirSync(p.path('.dag/code'))).toEqual([]);
  });
});
