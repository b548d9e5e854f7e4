// A change is told so that it is seen: two values that differ are never shown alike.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Cache } from '../../cache/index.ts';
import type { Ingredients } from '../../engine/model/ingredients.ts';
import { describeReason, shownChange } from '../../engine/model/reason.ts';
import { changes, mapChanges } from '../../engine/plan/changes.ts';
import type { Json } from '../../engine/task.ts';

const NO_FOLDERS = {} as Cache;

const made = (params: Readonly<Record<string, Json>>): Ingredients => ({
  code: { kind: 'shell', command: 'true' },
  params,
  inputs: {},
  environment: {},
  outputs: [],
});
const reasons = (before: Readonly<Record<string, Json>>, after: Readonly<Record<string, Json>>) =>
  changes(made(before), made(after), NO_FOLDERS);
const told = (before: Json, after: Json) => reasons({ p: before }, { p: after }).map(describeReason);

describe('a parameter', () => {
  test.each<[string, Json, Json, string[]]>([
    ['a type', 1, '1', ['parameter p: 1 → "1"']],
    ['a text', 'fast', 'slow', ['parameter p: "fast" → "slow"']],
    ['a truth value', true, 'true', ['parameter p: true → "true"']],
    ['null and its name', null, 'null', ['parameter p: null → "null"']],
    ['an empty text', '', null, ['parameter p: "" → null']],
    ['a mapping for a list', {}, [], ['parameter p: {} → []']],
    ['white space', 'a b', 'a  b ', ['parameter p: "a b" → "a  b "']],
    ['a tab and a line end', 'a b', 'a\tb\n', ['parameter p: "a b" → "a\\tb\\n"']],
    ['a space that is none', 'a b', 'a\u00a0b', ['parameter p: "a b" → "a\\u00a0b"']],
    ['what has no width', 'ab', 'a\u200bb', ['parameter p: "ab" → "a\\u200bb"']],
    ['an accent made otherwise', 'é', 'e\u0301', ['parameter p: "\\u00e9" → "e\\u0301"']],
    ['a field', { lr: 1, deep: { x: 1, y: 2 } }, { lr: 1, deep: { x: 1, y: 3 } }, ['parameter p.deep.y: 2 → 3']],
    [
      'a field that comes and one that goes',
      { a: 1 },
      { b: null },
      ['parameter p.a: removed 1', 'parameter p.b: added null'],
    ],
    ['an item', [{ name: 'a', lr: 1 }, 2], [{ name: 'a', lr: '1' }, 2], ['parameter p.0.lr: 1 → "1"']],
    ['an item more, in between', [1, 3], [1, 2, 3], ['parameter p.1: added 2']],
    ['two items less', ['x', 'y', 'z'], ['x'], ['parameter p.1: removed "y"', 'parameter p.2: removed "z"']],
    ['a list that is another', [1, 2], [3], ['parameter p: [1,2] → [3]']],
    ['the order of fields', { a: [{ x: 1, y: 2 }] }, { a: [{ y: 2, x: 1 }] }, []],
    ['a name that all objects have', { a: 1 }, { a: 1, constructor: 2 }, ['parameter p.constructor: added 2']],
  ])('tells %s', (_, before, after, lines) => {
    expect(told(before, after)).toEqual(lines);
  });

  test('that is long is cut where both are equal, between letters', () => {
    const [head, tail] = ['h'.repeat(100), 't'.repeat(100)];
    expect(told(`${head}one${tail}`, `${head}two${tail}`)).toEqual([
      `parameter p: …${'h'.repeat(16)}one${'t'.repeat(16)}… → …${'h'.repeat(16)}two${'t'.repeat(16)}…`,
    ]);
    expect(told(`${'𝄞'.repeat(100)}a`, `${'𝄞'.repeat(100)}b`)).toEqual([
      `parameter p: …${'𝄞'.repeat(16)}a" → …${'𝄞'.repeat(16)}b"`,
    ]);
  });

  test('of many changed items is told as a whole', () => {
    const list = (step: number) => Array.from({ length: 50 }, (_, i) => i * step);
    expect(told(list(1), list(2))).toHaveLength(1);
  });

  const text = fc.string({
    unit: fc.constantFrom(...'ab \n\t"\\', '\u00a0', 'é', 'e\u0301', '\u0301', '𝄞', '\ud800'),
    maxLength: 300,
  });
  const value = fc
    .oneof(text, fc.jsonValue(), fc.jsonValue({ depthSize: 'medium' }))
    .map((one) => JSON.parse(JSON.stringify(one)) as Json);

  test('that differs is never told as the same twice', () => {
    fc.assert(
      fc.property(value, value, (before, after) => {
        for (const reason of reasons({ p: before, q: 1 }, { p: after, q: 2 })) {
          const [old, now] = shownChange(reason);
          expect(old).not.toBe(now);
          expect(old === null || now === null ? '' : old.normalize()).not.toBe(now?.normalize());
          expect(describeReason(reason)).not.toMatch(/[\n\t\u00a0]/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test('commands, variables and versions are as they are, in quotes where their white space would hide', () => {
  const shown = (before: string | null, after: string | null) =>
    mapChanges('environment', { A: before }, { A: after }).map(describeReason);
  expect(shown('1.0.0', '1.1.0')).toEqual(['variable A: 1.0.0 → 1.1.0']);
  expect(shown('cat a > b', 'cat a > c')).toEqual(['variable A: cat a > b → cat a > c']);
  expect(shown('x', 'x ')).toEqual(['variable A: "x" → "x "']);
  expect(shown(null, '')).toEqual(['variable A: added ""']);
  expect(shown('a\nb', 'a b')).toEqual(['variable A: "a\\nb" → "a b"']);
  expect(mapChanges('environment', {}, { constructor: '1' }).map(describeReason)).toEqual([
    'variable constructor: added 1',
  ]);
});
