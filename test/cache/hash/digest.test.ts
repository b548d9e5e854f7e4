import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frame, hashValue, type Json, sha256 } from '../../../cache/index.ts';

const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

test('SHA-256 is the published one', () => {
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(sha256(new Uint8Array())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

test('two values frame alike only when they are the same value', () => {
  const plain = (value: Json) => JSON.stringify(value, (_, inner) => sorted(inner));
  fc.assert(
    fc.property(json, json, (a, b) => (frame(a) === frame(b)) === (plain(a) === plain(b))),
    { numRuns: 2000 },
  );
});

test('neighbouring fields never run together', () => {
  const strings = fc.array(fc.string({ unit: fc.constantFrom('a', 's', '1', ':', '"', '0'), maxLength: 4 }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(strings, strings, (a, b) => (frame(a) === frame(b)) === (JSON.stringify(a) === JSON.stringify(b))),
  );
});

test('the order in which properties were set does not matter, and undefined ones are left out', () => {
  expect(hashValue({ a: 1, b: [2, { d: 3, c: 4 }] })).toBe(hashValue({ b: [2, { c: 4, d: 3 }], a: 1, e: undefined }));
});

test('a number and its text, and lone surrogates, are told apart', () => {
  expect(frame(1)).not.toBe(frame('1'));
  expect(hashValue('\ud800')).not.toBe(hashValue('\ud801'));
});

test('what JSON cannot say is refused', () => {
  expect(() => frame(Number.NaN)).toThrow('NaN cannot be hashed: only finite numbers can');
  expect(() => frame((() => 1) as unknown as Json)).toThrow('a function cannot be hashed: only JSON values can');
  expect(() => frame([undefined] as unknown as Json)).toThrow('a undefined cannot be hashed');
});

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
