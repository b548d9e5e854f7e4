// Numbers of the file: each is what its text says, or is refused; and where a text would show another spelling, that is told.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatWarning } from '../../engine/load/diagnostic.ts';
import { load, node, ROOT } from './rig.ts';

const numberOf = (text: string) =>
  node(load(`{ params: { n: ${text} }, tasks: { t: { run: "true", params: { n: "\${n}" } } } }`), 't').params.n;

describe('a number', () => {
  test('comes back as it was, for every number that JavaScript writes and beyond which no whole one is lost', () => {
    const kept = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !/^-?\d{16,}$/.test(String(value)));
    fc.assert(
      fc.property(kept, (value) => {
        expect(numberOf(String(value))).toBe(value + 0);
      }),
      { numRuns: 500 },
    );
  });

  test('that is accepted is the very fraction that its text says: no digit of it is lost', () => {
    const digits = fc.stringMatching(/^[0-9]{1,20}$/);
    const text = fc
      .tuple(fc.constantFrom('', '-', '+'), digits, fc.option(digits), fc.option(fc.integer({ min: -330, max: 320 })))
      .map(
        ([sign, whole, fraction, power]) =>
          sign + whole + (fraction === null ? '' : `.${fraction}`) + (power === null ? '' : `e${power}`),
      );
    let accepted = 0;
    const check = (written: string) => {
      const value = orNull(() => numberOf(written));
      const become = Number(written);
      const isExact = Number.isFinite(become) && fractionOf(String(become)) === fractionOf(written);
      if (value !== null) accepted++;
      if (value === null) expect(isExact && Number.isSafeInteger(become)).toBe(false);
      else expect([written, isExact]).toEqual([written, true]);
    };
    fc.assert(fc.property(text, check), { numRuns: 2000 });
    expect(accepted).toBeGreaterThan(300);
  });

  test.each([
    ['a parameter that nothing uses', 'params: { n: N }\ntasks: { t: { run: "true" } }'],
    ['a list in a mapping', 'params: { n: { m: [1, N] } }\ntasks: { t: { run: "true" } }'],
    ['a profile that is not the one', 'params: { n: 1 }\nprofiles: { p: { n: N } }\ntasks: { t: { run: "true" } }'],
    ['an axis', 'tasks: { t: { run: "true", matrix: { n: [1, N] } } }'],
    ['an include', 'tasks: { t: { run: "true", matrix: { n: [1], include: [{ n: N }] } } }'],
    ["a task's own parameters", 'tasks: { t: { run: "true", params: { n: N } } }'],
    ['resources', 'tasks: { t: { run: "true", resources: { cpu: N } } }'],
    ['a range', 'tasks: { t: { run: "true", matrix: { n: { range: N } } } }'],
    ['the size of a pool', 'pools: { p: N }\ntasks: { t: { run: "true" } }'],
    ['an anchor', 'params: { n: &n N, m: *n }\ntasks: { t: { run: "true" } }'],
  ])('that cannot be kept is refused at its place: %s', (_, text) => {
    for (const number of ['1234567890123456789', '.nan', '-.inf', '1e999']) {
      const written = text.replace('N', number);
      const line = written.slice(0, written.indexOf(number)).split('\n');
      expect(() => load(written)).toThrow(`pipeline.yml:${line.length}:${line.at(-1)!.length + 1}  ${number} `);
      expect(() => load(written.replace(number, `"${number}"`))).not.toThrow(`${number} is beyond`);
    }
  });

  test('of --set is refused as well, with quotes that get through the shell', () => {
    const set = (value: string) => load('{ params: { n: 1 }, tasks: { t: { run: "true" } } }', { set: [`n=${value}`] });
    expect(() => set('1234567890123456789')).toThrow(`quote it, for the shell and for YAML: '"1234567890123456789"'`);
    expect(() => set('.nan')).toThrow('--set n=.nan  .nan cannot be a value: JSON has no such number');
    expect(() => set('[0.1, 1e-3]')).not.toThrow();
    expect(() => set('"1234567890123456789"')).not.toThrow();
  });

  test('-0 is 0, since the two make one key', () => {
    expect([numberOf('-0'), numberOf('-0.0')].map((value) => Object.is(value, 0))).toEqual([true, true]);
  });
});

describe('a spelling', () => {
  const told = (params: string, task: string, set: string[] = []) =>
    load(`params: ${params}\ntasks: { t: { ${task} } }`, { set }).warnings.map((warning) =>
      formatWarning(warning, ROOT),
    );

  test('that a text loses is told, once, where the value becomes part of a command, a path or a label', () => {
    const params = '{ v: 3.10, mode: 0o755, from: +1, id: 007, on: True, list: [1.0, 2], model: { name: 08 } }';
    expect(
      told(
        params,
        'run: "py${v} ${v} chmod ${mode} tail ${from} ${params.flag} ${list} ${model}", params: { flag: "${on}" }, out: { o: "out/${id}" }',
      ),
    ).toEqual([
      'pipeline.yml:1:14  3.10 becomes 3.1 in a text; if a text is meant, quote it: "3.10"',
      'pipeline.yml:1:26  0o755 becomes 493 in a text; if a text is meant, quote it: "0o755"',
      'pipeline.yml:1:39  +1 becomes 1 in a text; if a text is meant, quote it: "+1"',
      'pipeline.yml:1:47  007 becomes 7 in a text; if a text is meant, quote it: "007"',
      'pipeline.yml:1:56  True becomes true in a text; if a text is meant, quote it: "True"',
      'pipeline.yml:1:69  1.0 becomes 1 in a text; if a text is meant, quote it: "1.0"',
      'pipeline.yml:1:93  08 becomes 8 in a text; if a text is meant, quote it: "08"',
    ]);
    expect(told('{}', 'run: "true", matrix: { fold: [00, 1] }')).toEqual([
      'pipeline.yml:2:45  00 becomes 0 in a text; if a text is meant, quote it: "00"',
    ]);
    expect(told('{ v: x }', 'run: "py${v}"', ['v=3.10'])).toEqual([
      `--set v=3.10  3.10 becomes 3.1 in a text; if a text is meant, quote it, for the shell and for YAML: '"3.10"'`,
    ]);
  });

  test('that says a number and nothing else is not told, nor one that stays a value, nor a text', () => {
    expect(told('{ lr: 1e-3, n: 1e3, h: .5, w: 5., m: -2 }', 'run: "x ${lr} ${n} ${h} ${w} ${m}"')).toEqual([]);
    expect(
      told('{ v: 3.10, on: True }', 'run: "true", params: { v: "${v}", on: "${on}" }, resources: { cpu: 2.0 }'),
    ).toEqual([]);
    expect(told('{ v: "3.10", a: 1_000, at: 12:30:00 }', 'run: "${v} ${a} ${at}"')).toEqual([]);
  });

  test('changes no value: a task has the number', () => {
    const pipeline = load(
      'params: { v: 3.10 }\ntasks: { t: { run: "${v}", params: { v: "${v}", l: [007, { x: True }] } } }',
    );
    expect(node(pipeline, 't')).toMatchObject({ action: { command: '3.1' }, params: { v: 3.1, l: [7, { x: true }] } });
  });
});

function orNull<T>(make: () => T): T | null {
  try {
    return make();
  } catch {
    return null;
  }
}

/** Numerator and denominator in lowest terms, from a decimal text. */
function fractionOf(text: string): string {
  const [mantissa = '', power = '0'] = text.replace('+', '').split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const shift = Number(power) - fraction.length;
  const over = BigInt(whole + fraction) * 10n ** BigInt(Math.max(0, shift));
  const under = 10n ** BigInt(Math.max(0, -shift));
  const divisor = gcd(over < 0n ? -over : over, under);
  return `${mantissa.startsWith('-') && over > 0n ? '-' : ''}${over / divisor}/${under / divisor}`;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}
