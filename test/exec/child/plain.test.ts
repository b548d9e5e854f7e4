// What ctx.each keeps as JSON: a value that JSON would change is refused by its place, every other is kept as it is.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCall } from '../../../engine/exec/child/each/call.ts';
import { createDoer } from '../../../engine/exec/child/each/item.ts';
import { refuseUnsayable } from '../../../engine/exec/child/each/plain.ts';
import { openProject } from '../../rigs/project.ts';
import { unwatched } from '../../rigs/task.ts';

class Point {
  x = 1;
}
const cycle: { name: string; list: unknown[] } = { name: 'a', list: [] };
cycle.list.push({ of: cycle });

const CHANGED: readonly (readonly [unknown, string])[] = [
  [{ scores: [0, 1, 2, Number.NaN] }, 'result.scores[3] is NaN'],
  [{ a: { b: Number.NEGATIVE_INFINITY } }, 'result.a.b is -Infinity'],
  [{ 'two words': [1n] }, 'result["two words"][0] is a bigint'],
  [[{ a: undefined }], 'result[0].a is undefined'],
  // biome-ignore lint/suspicious/noSparseArray: it is what is refused.
  [[1, , 3], 'result[1] is undefined'],
  [{ when: new Date(0) }, 'result.when is a Date'],
  [{ m: new Map([[1, 2]]) }, 'result.m is a Map'],
  [{ s: new Set([1]) }, 'result.s is a Set'],
  [{ pixels: new Float32Array(2) }, 'result.pixels is a Float32Array'],
  [Buffer.from('x'), 'result is a Buffer'],
  [{ p: new Point() }, 'result.p is a Point'],
  [{ n: new Number(1) }, 'result.n is a Number'],
  [{ e: new Error('no') }, 'result.e is a Error'],
  [{ f: () => 1 }, 'result.f is a function'],
  [{ s: Symbol('x') }, 'result.s is a symbol'],
  [{ [Symbol('x')]: 1 }, 'result is a mapping with symbols for keys'],
  [cycle, 'result.list[0].of is a value that contains itself'],
];

describe('a result that JSON would change', () => {
  test.each(CHANGED)('is refused by item and place: %#', async (value, told) => {
    const setup = { bundle: '', env: {}, exportedAs: 'work', params: undefined, inputs: {}, outputs: {} };
    const task = { index: 0, key: 'ID_7', item: null, inputs: [], files: [], expected: null };
    const [answer] = await createDoer(setup, () => value, { rest: unwatched, warn() {} })([task]);
    const message = `ID_7: ${told}, which JSON cannot keep: plain data is wanted`;
    expect(answer).toMatchObject({ error: { name: 'TypeError', message } });
    expect('error' in answer! && answer.error.stack).not.toContain(' at ');
  });

  test('is known for all values by one law: what is not refused comes back the same', () => {
    const anything = fc.anything({
      ...{ withBigInt: true, withBoxedValues: true, withDate: true, withMap: true, withSet: true },
      ...{ withSparseArray: true, withTypedArray: true, withObjectString: true },
    });
    let kept = 0;
    fc.assert(
      fc.property(anything, (value) => {
        if (cameBack(value)) kept++;
        if (cameBack(value)) expect(() => refuseUnsayable('it', value)).not.toThrow();
        else expect(() => refuseUnsayable('it', value)).toThrow(/^it.* is .*, which JSON cannot keep/s);
      }),
      { numRuns: 2000 },
    );
    expect(kept).toBeGreaterThan(200);
  });

  test('fails the node, on whatever thread the item is done, without a stack', async () => {
    const p = openProject({
      'pipeline.yml': 'tasks: { t: { use: t.mjs, in: { data: data }, out: { o: out/o } } }',
      'data/a': 'a',
      't.mjs': `
        export const work = (item) => ({ scores: [item, item / 0] });
        export default {
          run: (ctx) => ctx.each([1, 2], { key: (item) => 'item ' + item, inputs: () => [] }, work).then(() => {}),
        };`,
    });
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('t: item 1: result.scores[1] is Infinity, which JSON cannot keep');
    expect(answer.stderr).not.toMatch(/^ +│? +at /m);
  });
});

test('items and params are refused as results are: two that JSON does not tell apart would be one', () => {
  const work = () => 1;
  const call = (item: unknown, params: unknown = null) =>
    readCall({ work }, [item], { key: () => 'a', inputs: () => [], params }, work);
  for (const [value, told] of CHANGED) {
    expect(() => call(value)).toThrow(`a: ${told.replace('result', 'item')}`);
    expect(() => call(1, value)).toThrow(told.replace('result', 'params of ctx.each'));
  }
  expect(() => call({ a: [null, -0, 1e300, '\ud800', true] })).not.toThrow();
});

test('a key that is no text, and inputs that are no list, are told as such', () => {
  const work = () => 1;
  const call = (key: unknown, inputs: unknown) =>
    readCall({ work }, [1], { key: () => key as string, inputs: () => inputs as string[] }, work);
  expect(() => call(7, [])).toThrow('ctx.each wants a text from `key`, and was given 7');
  expect(() => call('a', 'data/a').inputs(0)).toThrow(
    'a list of the files that an item reads from the function of `inputs`',
  );
});

/** -0 is left aside: it comes back as the 0 that it equals. */
function cameBack(value: unknown): boolean {
  try {
    const text = JSON.stringify(value);
    return text !== undefined && isDeepStrictEqual(positive(JSON.parse(text)), positive(value));
  } catch {
    return false;
  }
}

function positive(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return Object.assign([...value.map(positive)], { length: value.length });
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, positive(item)]));
}
