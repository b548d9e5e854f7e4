// Any words behind `dag` are done or refused with a reason: never an internal error, and the project is whole afterwards.
// FUZZ_CASES=20000 for the long run.
import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { main } from '../../engine/cli/main.ts';
import { COMMANDS, COMMON_OPTIONS } from '../../engine/cli/table.ts';
import { selector, setting } from '../load/grammar.ts';
import { createProject } from '../rigs/project.ts';

const CASES = Number(process.env.FUZZ_CASES ?? 2000) / 10;

const home = createProject();
const project = home.within('a/project');
const before = process.cwd();

beforeAll(async () => {
  mkdirSync(project.root, { recursive: true });
  project.write(
    'pipeline.yml',
    `params: { p: 1, m: { a: 2 } }
profiles: { f: { p: 2 } }
tasks:
  a: { run: "echo \${p} > \${out.o}", matrix: { x: [1, 2] }, out: { o: "out/a\${x}" } }
  b: { run: "cat \${in.i} > \${out.o}", in: { i: "\${a.o}" }, out: { o: out/b } }
  c: { run: "false" }
default: b
`,
  );
  vi.stubGlobal('DAG_VERSION', '0');
  process.chdir(project.root);
  expect(await dag(['run', 'b'])).toMatchObject({ code: 0 });
});

afterAll(() => {
  process.chdir(before);
  home.remove();
});

// They wait for another run, or for edits.
const isEndless = (flags: string) => flags.includes('--follow');
const commands = COMMANDS.filter(({ words }) => words !== 'watch [selectors...]').map(({ words, options = [] }) => ({
  name: words.split(' ')[0]!,
  options: options.filter(({ flags }) => !isEndless(flags)).map(({ flags }) => flags),
}));
const OPTIONS = [...COMMON_OPTIONS.map(({ flags }) => flags), ...commands.flatMap(({ options }) => options)];

/** Nothing that leads out of the project. */
const plain = fc
  .oneof(
    selector,
    setting,
    fc.constantFrom('a', 'b', 'a[x=1]', 'out/b', 'last', 'last~1', 'last~99999999999999999999', 'f', '0', '-1', '1.5'),
    fc.constantFrom('50GB', '1constructor', '30d', '99999999999999999999d', 'text', 'svg', '__proto__', 'constructor'),
    fc.constantFrom(
      '',
      ' ',
      '-',
      '--',
      '--=',
      '-j',
      '-jx',
      '--set',
      '--no-json',
      '__complete',
      'help',
      '\ud800',
      '\u001b[31m',
    ),
    fc.string({ maxLength: 8 }),
  )
  .map((word) => word.replaceAll(/[\0/]/g, '').replaceAll('..', ''));

const option = (flags: readonly string[]) =>
  fc.constantFrom(...flags).chain((one) => {
    const names = one.split(/[ ,]+/).filter((word) => word.startsWith('-'));
    const name = fc.constantFrom(...names);
    return one.includes('<') ? fc.tuple(name, plain).map((words) => [...words]) : name.map((word) => [word]);
  });

const line = fc
  .constantFrom(...commands)
  .chain(({ name, options }) =>
    fc
      .tuple(
        fc.oneof({ weight: 20, arbitrary: fc.constant(name) }, { weight: 1, arbitrary: plain }),
        fc.array(plain, { maxLength: 2 }),
        fc.array(
          fc.oneof(
            { weight: 6, arbitrary: option(options.length > 0 ? options : ['--json']) },
            { weight: 2, arbitrary: option(OPTIONS) },
          ),
          { maxLength: 2 },
        ),
      )
      .map(([command, words, flags]) => [command, ...words, ...flags.flat()]),
  );

test('every command line ends with an answer', async () => {
  const codes = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(line, async (words) => {
      const { code, told } = await dag(words);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      expect([0, 1, 2]).toContain(code);
      expect(told).not.toMatch(/internal error|^ {4}at /m);
      if (code !== 0) expect(told).not.toBe('');
      for (const word of ['[object', 'undefined', 'native code', 'NaN'])
        if (!words.some((given) => given.includes(word))) expect(told).not.toContain(word);
    }),
    { numRuns: CASES },
  );
  expect(codes.get(0)).toBeGreaterThan(CASES / 20);
  expect(codes.get(2)).toBeGreaterThan(CASES / 20);
  expect(await dag(['run', 'b'])).toMatchObject({ code: 0 });
  expect(await dag(['verify'])).toMatchObject({ code: 0 });
});

/** The command line in this process, since starting one takes ten times as long as most answers. */
async function dag(words: readonly string[]): Promise<{ code: number; told: string }> {
  let told = '';
  const hear = (bytes: unknown) => {
    told += String(bytes);
    return true;
  };
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(hear);
  const err = vi.spyOn(process.stderr, 'write').mockImplementation(hear);
  try {
    return { code: await main(words), told };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}
