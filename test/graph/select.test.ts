// Selectors: what the words of the command line mean.
import { describe, expect, test } from 'vitest';
import { select } from '../../engine/graph/select.ts';
import { load, ROOT } from '../load/rig.ts';

const pipeline = load(`
default: report
tasks:
  raw: { run: "true", out: { o: out/raw } }
  train: { run: "true", matrix: { model: [eff_a, eff_b, res], fold: [0, 1] }, in: { i: "\${raw.o}" }, out: { w: "out/models/\${model}/\${fold}" } }
  mean: { run: "true", matrix: { model: [eff_a, eff_b, res] }, in: { i: "\${train.w}" }, out: { o: "out/mean/\${model}.csv" } }
  report: { run: "true", in: { i: "\${mean.o[model=res]}" }, out: { o: out/report } }
`);

const chosen = (selectors: string[], only = true): string[] => {
  const selected = select(pipeline, selectors, { only });
  if (!selected.ok) throw new Error(`${selected.error.message} | ${selected.error.hint ?? ''}`);
  return selected.value;
};

describe('without what is needed (only)', () => {
  const cases: [string, string, string[]][] = [
    ['a task is all of its nodes', 'mean', ['mean[model=eff_a]', 'mean[model=eff_b]', 'mean[model=res]']],
    ['an exact name is that node', 'train[model=res,fold=1]', ['train[model=res,fold=1]']],
    ['labels narrow a task, in any order', 'train[fold=0,model=res]', ['train[model=res,fold=0]']],
    ['one axis leaves the others free', 'train[model=res]', ['train[model=res,fold=0]', 'train[model=res,fold=1]']],
    ['labels may be globs', 'train[model=eff*,fold=1]', ['train[model=eff_a,fold=1]', 'train[model=eff_b,fold=1]']],
    ['tasks may be globs', 'r*', ['raw', 'report']],
    ['the path of an output is its node', 'out/mean/res.csv', ['mean[model=res]']],
    ['a path inside an output is its node', 'out/models/eff_a/0/weights.bin', ['train[model=eff_a,fold=0]']],
    [
      'a folder of outputs is all of their nodes',
      './out/models/res/',
      ['train[model=res,fold=0]', 'train[model=res,fold=1]'],
    ],
    ['an absolute path inside the project counts', `${ROOT}/out/raw`, ['raw']],
    [
      'a plus in front brings what is needed',
      '+mean[model=res]',
      ['raw', 'train[model=res,fold=0]', 'train[model=res,fold=1]', 'mean[model=res]'],
    ],
    [
      'a plus behind brings what needs it',
      'train[model=res,fold=0]+',
      ['train[model=res,fold=0]', 'mean[model=res]', 'report'],
    ],
  ];
  for (const [name, selector, expected] of cases) test(name, () => expect(chosen([selector])).toEqual(expected));
});

test('what is needed comes along unless only that is asked for', () => {
  expect(chosen(['report'], false)).toEqual([
    'raw',
    'train[model=res,fold=0]',
    'train[model=res,fold=1]',
    'mean[model=res]',
    'report',
  ]);
});

test('what needs a node brings its other needs along', () => {
  expect(chosen(['train[model=res,fold=0]+'], false)).toEqual([
    'raw',
    'train[model=res,fold=0]',
    'train[model=res,fold=1]',
    'mean[model=res]',
    'report',
  ]);
});

test('no selector means the defaults', () => {
  expect(chosen([])).toEqual(['report']);
  expect(chosen([], false)).toHaveLength(5);
});

test('several selectors are joined, in the order of the pipeline and without repetition', () => {
  expect(chosen(['report', 'raw', 'r*'])).toEqual(['raw', 'report']);
});

test.each([
  ['trian', 'nothing matches "trian" | did you mean "train"?'],
  ['trian[fold=0]', 'nothing matches "trian[fold=0]" | did you mean "train[fold=0]"?'],
  ['train[fold=7]', '"train[fold=7]": no such fold in task "train" | there is 0, 1'],
  ['train[fald=7]', '"train[fald=7]": task "train" has no axis "fald" | it has model, fold'],
  ['raw[fold=7]', '"raw[fold=7]": task "raw" has no axis "fold" | it has no matrix'],
  ['out/reprot', 'nothing matches "out/reprot" | did you mean "out/report"?'],
  ['xyzzy', 'nothing matches "xyzzy" | tasks: raw, train, mean, report'],
])('%s is refused with the nearest right name', (selector, message) => {
  expect(() => chosen([selector])).toThrow(message);
});
