// The binding rule as a table: what one reference means for each node of its consumer.
import { describe, expect, test } from 'vitest';
import { load, node, paths } from './rig.ts';

const PRODUCERS = `
params: { wanted: test, setup: { kind: k2 }, models: [{ name: m1, images: k1 }, { name: m2, images: k2 }] }
tasks:
  one: { run: "true", out: { o: out/one } }
  png: { run: "true", matrix: { split: [train, test], kind: [k1, k2] }, out: { o: "out/png/\${split}/\${kind}" } }
  fit: { run: "true", matrix: { model: "\${models}", fold: { range: 3 } }, out: { o: "out/fit/\${model}/\${fold}" } }
  none: { run: "true", matrix: { x: [] }, out: { o: "out/none/\${x}" } }
  user: { run: "true", matrix: MATRIX, in: { i: "REFERENCE" } }
`;

const CASES: { name: string; matrix: string; reference: string; node: string; expected: string | string[] }[] = [
  {
    name: 'a producer without a matrix is the same for every node',
    matrix: '{ fold: [0, 1] }',
    reference: '${one.o}',
    node: 'user[fold=1]',
    expected: 'out/one',
  },
  {
    name: 'the same axes on both sides pair node with node',
    matrix: '{ kind: [k1, k2], split: [train, test] }',
    reference: '${png.o}',
    node: 'user[kind=k2,split=train]',
    expected: 'out/png/train/k2',
  },
  {
    name: 'an axis of the consumer alone repeats the producer',
    matrix: '{ split: [train], kind: [k1], extra: [a, b] }',
    reference: '${png.o}',
    node: 'user[split=train,kind=k1,extra=b]',
    expected: 'out/png/train/k1',
  },
  {
    name: 'an axis that only the producer has fans in, in the order of its matrix',
    matrix: '{ model: "${models}" }',
    reference: '${fit.o}',
    node: 'user[model=m2]',
    expected: ['out/fit/m2/0', 'out/fit/m2/1', 'out/fit/m2/2'],
  },
  {
    name: 'several free axes fan in row by row',
    matrix: '{ other: [a] }',
    reference: '${png.o}',
    node: 'user[other=a]',
    expected: ['out/png/train/k1', 'out/png/train/k2', 'out/png/test/k1', 'out/png/test/k2'],
  },
  {
    name: '[axis=label] picks',
    matrix: '{ kind: [k1] }',
    reference: '${png.o[split=test]}',
    node: 'user[kind=k1]',
    expected: 'out/png/test/k1',
  },
  {
    name: 'a pick goes before pairing',
    matrix: '{ split: [train], kind: [k1] }',
    reference: '${png.o[split=test]}',
    node: 'user[split=train,kind=k1]',
    expected: 'out/png/test/k1',
  },
  {
    name: 'a pick may name a field of an axis of the consumer',
    matrix: '{ model: "${models}" }',
    reference: '${png.o[split=train, kind=model.images]}',
    node: 'user[model=m2]',
    expected: 'out/png/train/k2',
  },
  {
    name: 'a pick may name another axis of the consumer',
    matrix: '{ which: [k1, k2] }',
    reference: '${png.o[split=train, kind=which]}',
    node: 'user[which=k1]',
    expected: 'out/png/train/k1',
  },
  {
    name: 'a pick may name a parameter, and one of its fields',
    matrix: '{ a: [1] }',
    reference: '${png.o[split=wanted, kind=setup.kind]}',
    node: 'user[a=1]',
    expected: 'out/png/test/k2',
  },
  {
    name: 'a suffix reads a part of an output, for each element of a fan-in',
    matrix: '{ kind: [k1] }',
    reference: '${png.o}/a//b/./${kind}.csv',
    node: 'user[kind=k1]',
    expected: ['out/png/train/k1/a/b/k1.csv', 'out/png/test/k1/a/b/k1.csv'],
  },
  {
    name: 'a fan-in over an empty matrix is an empty list',
    matrix: '{ a: [1] }',
    reference: '${none.o}',
    node: 'user[a=1]',
    expected: [],
  },
];

describe('axes bind by name', () => {
  for (const { name, matrix, reference, node: of, expected } of CASES) {
    test(name, () => {
      const pipeline = load(PRODUCERS.replace('MATRIX', matrix).replace('REFERENCE', () => reference));
      expect(paths(pipeline, of, 'i')).toEqual(expected);
    });
  }

  test('a fan-in over one node is still a list, and says at which point each element was made', () => {
    const pipeline = load(`
tasks:
  a: { run: "true", matrix: { x: [1] }, out: { o: "out/\${x}" } }
  b: { run: "true", in: { i: "\${a.o}/part.csv" } }`);
    expect(node(pipeline, 'b').inputs).toEqual([
      {
        name: 'i',
        many: true,
        sources: [
          {
            path: 'out/1/part.csv',
            producer: { node: 'a[x=1]', output: 'o', subpath: 'part.csv' },
            axes: { x: '1' },
          },
        ],
      },
    ]);
  });

  test('a list of inputs is a list whatever its parts are', () => {
    const pipeline = load(`
params: { more: [data/x, data/y] }
tasks:
  a: { run: "true", matrix: { x: [1, 2] }, out: { o: "out/\${x}" } }
  b: { run: "true", in: { i: ["\${a.o}", data/one, "\${more}"], j: [data/one] } }`);
    expect(paths(pipeline, 'b', 'i')).toEqual(['out/1', 'out/2', 'data/one', 'data/x', 'data/y']);
    expect(paths(pipeline, 'b', 'j')).toEqual(['data/one']);
  });

  test('a field that may be missing is an empty list where it is, and its path where it is not', () => {
    const pipeline = load(`
params: { models: [{ name: m1 }, { name: m2, init: data/w }] }
tasks:
  fit: { run: "true", matrix: { model: "\${models}" }, in: { init: "\${model.init?}" }, params: { of: "\${models.0.init?}" } }`);
    expect(paths(pipeline, 'fit[model=m1]', 'init')).toEqual([]);
    expect(paths(pipeline, 'fit[model=m2]', 'init')).toBe('data/w');
    expect(node(pipeline, 'fit[model=m2]').params).toEqual({ of: [] });
  });

  test.each([
    ['${model.init}', '"model" has no "init"'],
    ['${model.name.init?}', '"model.name" is the text "m1", so it has no "init"'],
    ['${model.init.file?}', '"model" has no "init"'],
    ['${made.o?}', '"made.o": an output is never missing'],
    ['${model?}', 'cannot be read at "?"'],
  ])('%s is an error where there is no such field', (reference, message) => {
    const text = `
params: { models: [{ name: m1 }] }
tasks:
  made: { run: "true", out: { o: out/made } }
  fit: { run: "true", matrix: { model: "\${models}" }, in: { init: "${reference}" } }`;
    expect(() => load(text)).toThrow(message);
  });

  test('after: binds by the same rule and is no input', () => {
    const pipeline = load(`
tasks:
  a: { run: "true", matrix: { x: [1, 2], y: [1, 2] } }
  b: { run: "true", matrix: { x: [1, 2] }, after: ["a", "a[x=1]"] }`);
    expect(node(pipeline, 'b[x=2]').after).toEqual(['a[x=2,y=1]', 'a[x=2,y=2]', 'a[x=1,y=1]', 'a[x=1,y=2]']);
    expect(node(pipeline, 'b[x=2]').inputs).toEqual([]);
  });
});
