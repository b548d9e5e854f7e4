// Laws that hold for any matrix and any text.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Part, parseTemplate, printTemplate, type Reference } from '../../engine/load/reference.ts';
import { nearest } from '../../engine/text/nearest.ts';
import { parseBytes, parseDuration } from '../../engine/text/units.ts';
import { load, node, paths } from './rig.ts';

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/);
const axis = fc.uniqueArray(label, { minLength: 1, maxLength: 4 });

test('pairing is one-to-one, whatever the order of axes and labels on both sides', () => {
  fc.assert(
    fc.property(axis, axis, fc.boolean(), (xs, ys, flip) => {
      const own = flip ? { y: [...ys].reverse(), x: [...xs].reverse() } : { x: xs, y: ys };
      const pipeline = load(`
tasks:
  a: { run: "true", matrix: ${JSON.stringify({ x: xs, y: ys })}, out: { o: "out/\${x}_/\${y}" } }
  b: { run: "true", matrix: ${JSON.stringify(own)}, in: { i: "\${a.o}" } }`);
      const read = pipeline.nodes.filter((item) => item.task === 'b').map((item) => item.inputs[0]!.sources);
      for (const item of pipeline.nodes.filter((candidate) => candidate.task === 'b'))
        expect(item.inputs[0]!.sources[0]!.axes).toEqual(item.axes);
      expect(read.every((sources) => sources.length === 1)).toBe(true);
      expect(new Set(read.map((sources) => sources[0]!.path)).size).toBe(xs.length * ys.length);
    }),
    { numRuns: 60 },
  );
});

test('a fan-in has every node of the producer that agrees on the bound axes, in the order of the matrix', () => {
  fc.assert(
    fc.property(axis, axis, fc.nat(), (xs, ys, seed) => {
      const all = xs.flatMap((x) => ys.map((y) => ({ x, y })));
      const gone = all.filter((_, i) => all.length > 1 && i === seed % all.length);
      const kept = all.filter((point) => !gone.includes(point));
      const matrix = JSON.stringify({ x: xs, y: ys, ...(gone.length > 0 ? { exclude: gone } : {}) });
      const pipeline = load(`
tasks:
  a: { run: "true", matrix: ${matrix}, out: { o: "out/\${x}_/\${y}" } }
  b: { run: "true", in: { i: "\${a.o}" } }
  c: { run: "true", matrix: { y: ${JSON.stringify(ys)} }, in: { i: "\${a.o}" } }`);
      expect(paths(pipeline, 'b', 'i')).toEqual(kept.map(({ x, y }) => `out/${x}_/${y}`));
      for (const y of ys)
        expect(paths(pipeline, `c[y=${y}]`, 'i')).toEqual(
          kept.filter((p) => p.y === y).map(({ x }) => `out/${x}_/${y}`),
        );
    }),
    { numRuns: 60 },
  );
});

test('adding a value to an axis renames nothing and changes no other node', () => {
  fc.assert(
    fc.property(axis, (xs) => {
      const text = (values: string[]) => `
tasks:
  a: { run: "true", matrix: { x: ${JSON.stringify(values)} }, params: { x: "\${x}" }, out: { o: "out/\${x}" } }
  b: { run: "true", matrix: { x: ${JSON.stringify(values)} }, in: { i: "\${a.o}" } }`;
      const before = load(text(xs));
      const after = load(text(['zzzzz', ...xs]));
      for (const item of before.nodes) expect(node(after, item.name)).toEqual(item);
    }),
    { numRuns: 40 },
  );
});

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,6}$/);
const pick = fc.record({ axis: name, value: fc.stringMatching(/^[A-Za-z0-9_.-]{1,6}$/) });
const plain = fc.record({
  head: name,
  fields: fc.array(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,4}$/), { maxLength: 3 }),
  picks: fc.uniqueArray(pick, { maxLength: 3, selector: (item) => item.axis }),
  start: fc.constant(0),
  end: fc.constant(0),
});
const reference = fc.oneof(
  plain,
  plain.filter(({ fields }) => fields.length > 0).map((item): Reference => ({ ...item, optional: true })),
);
// Text that ends in a dollar would join with the next reference's `${`; that is what `$$` before a brace means.
const literal = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.endsWith('$'));

test('parsing a printed template gives it back', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(literal, reference), { minLength: 1, maxLength: 5 }), (raw) => {
      const parts = mergeText(raw);
      const parsed = parseTemplate(printTemplate(parts));
      if (!parsed.ok) throw new Error(parsed.error.message);
      expect(parsed.value.map(withoutPlace)).toEqual(parts.map(withoutPlace));
    }),
  );
});

test('a text without ${ is its own value, whatever dollars are in it', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.includes('${'));
      expect(parseTemplate(text)).toEqual({ ok: true, value: [text] });
    }),
  );
});

test('the parser of references never throws, and places every trouble inside the text', () => {
  const alphabet = fc.constantFrom('$', '{', '}', '[', ']', '=', ',', '.', '?', 'a', '1', ' ', '\n');
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 14 }), (letters) => {
      const text = letters.join('');
      const parsed = parseTemplate(text);
      if (parsed.ok) return;
      expect(parsed.error.start).toBeGreaterThanOrEqual(0);
      expect(parsed.error.end).toBeLessThanOrEqual(text.length);
      expect(parsed.error.end).toBeGreaterThan(parsed.error.start);
    }),
    { numRuns: 2000 },
  );
});

test('one swapped, dropped or doubled letter of a name of five or more is recognised', () => {
  const words = ['metadata', 'triplets', 'submission', 'ensemble', 'folds'];
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.nat(), fc.constantFrom('swap', 'drop', 'double'), (word, at, how) => {
      const i = at % (word.length - 1);
      const changed =
        how === 'swap'
          ? word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2)
          : how === 'drop'
            ? word.slice(0, i) + word.slice(i + 1)
            : word.slice(0, i) + word[i] + word.slice(i);
      expect(nearest(changed, words)).toBe(word);
    }),
  );
});

test('units are read by their definition', () => {
  expect(['16GiB', '512MB', '1.5 KiB', '7B'].map(parseBytes)).toEqual([16 * 2 ** 30, 512e6, 1536, 7]);
  expect(['16', 'GiB', '16 gb', '-1GB'].map(parseBytes)).toEqual([undefined, undefined, undefined, undefined]);
  expect(['90s', '2h', '1h30m', '500ms', '1.5 min'].map(parseDuration)).toEqual([90e3, 7200e3, 5400e3, 500, 90e3]);
  expect(['90', 's', '1x', ''].map(parseDuration)).toEqual([undefined, undefined, undefined, undefined]);
});

function mergeText(parts: readonly Part[]): Part[] {
  const merged: Part[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (typeof part === 'string' && typeof last === 'string') merged[merged.length - 1] = last + part;
    else merged.push(part);
  }
  return merged;
}

const withoutPlace = (part: Part) => (typeof part === 'string' ? part : { ...part, start: 0, end: 0 });
