// What a pipeline.yml becomes: parameters, profiles, settings, YAML's own features, commands, defaults.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadPipeline } from '../../engine/load/load.ts';
import { load, node, paths } from './rig.ts';

const project = mkdtempSync(join(tmpdir(), 'dag-load-'));
afterAll(() => rmSync(project, { recursive: true }));

describe("the repository's own pipeline", () => {
  const file = join(project, 'pipeline.yml');
  cpSync(join(import.meta.dirname, '../../pipeline.yml'), file);
  mkdirSync(join(project, 'tasks'));
  for (const [module] of readFileSync(file, 'utf8').matchAll(/tasks\/\w+\.ts/g))
    writeFileSync(join(project, module), '');
  const loadProfile = (profile: string, set: string[] = []) => {
    const loaded = loadPipeline({ root: project, file, profile, set });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error, null, 2));
    return loaded.value;
  };

  test('rsna has 25 trainings, five for each model', () => {
    const { nodes } = loadProfile('rsna');
    const trainings = nodes.filter((item) => item.task === 'train');
    expect(trainings).toHaveLength(25);
    expect(trainings[7]!.name).toBe('train[model=efficientnet_b5,fold=2]');
    expect(node(loadProfile('rsna'), 'predict[model=densenet169]').inputs[0]!.sources).toHaveLength(5);
  });

  test('the demo reads the data that it draws, and --set data replaces the drawing', () => {
    expect(node(loadProfile('demo'), 'metadata[split=test]').inputs[0]!.sources[0]).toEqual({
      path: 'out/phantom/stage_2_test',
      producer: { node: 'phantom', output: 'data', subpath: 'stage_2_test' },
      axes: {},
    });
    expect(node(loadProfile('demo', ['data=/my/ct']), 'metadata[split=test]').inputs[0]!.sources[0]).toEqual({
      path: '/my/ct/stage_2_test',
      axes: {},
    });
  });

  test('a node has the parameters that it refers to, with their types', () => {
    const train = node(
      loadProfile('demo', ['epochs=2', 'lr=0.01', 'train_resources={ cpu: 2, memory: 2GiB }']),
      'train[model=efficientnet_small_windows,fold=1]',
    );
    expect(train.params).toMatchObject({ epochs: 2, lr: 0.01, device: 'auto', model: { width: 0.5, input: 64 } });
    expect(train.resources).toEqual({
      cpu: 2,
      memoryBytes: 2 * 2 ** 30,
      gpu: 1,
      gpuOptional: true,
      preemptible: true,
      pools: {},
    });
    expect(train.axes).toEqual({ model: 'efficientnet_small_windows', fold: '1' });
  });
});

describe('parameters', () => {
  const text = (params: string) =>
    `{ params: ${params}, profiles: { p: { o: { b: 3 }, l: [9] } }, tasks: { t: { run: "true", params: { v: "\${o}", l: "\${l}" } } } }`;

  test('a profile merges mappings and replaces everything else', () => {
    const pipeline = load(text('{ o: { a: 1, b: 2 }, l: [1, 2] }'), { profile: 'p' });
    expect(node(pipeline, 't').params).toEqual({ v: { a: 1, b: 3 }, l: [9] });
    expect(pipeline.profile).toBe('p');
  });

  test('a setting overlays the profile, reaches into mappings and lists, and is read as YAML', () => {
    const set = ['o.b=[1, x]', 'l.0={ k: true }'];
    const pipeline = load(text('{ o: { a: 1, b: 2 }, l: [1, 2] }'), { profile: 'p', set });
    expect(node(pipeline, 't').params).toEqual({ v: { a: 1, b: [1, 'x'] }, l: [{ k: true }] });
  });

  test('they refer to each other in any order, and one reference alone keeps its type', () => {
    const pipeline = load(`
params: { a: "\${b.x}", b: { x: [1, 2], y: "n\${c}" }, c: 7, d: { name: model7, w: 1 }, e: "at/\${d}", f: "$\${a} $1" }
tasks: { t: { run: "true", params: { a: "\${a}", b: "\${b}", e: "\${e}", f: "\${f}" } } }`);
    expect(node(pipeline, 't').params).toEqual({ a: [1, 2], b: { x: [1, 2], y: 'n7' }, e: 'at/model7', f: '${a} $1' });
  });

  test('an artifact behind a parameter may be picked from and reached into', () => {
    const pipeline = load(`
params: { data: "\${make.o[split=test]}/deep", both: { x: "\${data}" } }
tasks:
  make: { run: "true", matrix: { split: [train, test] }, out: { o: "out/\${split}" } }
  use: { run: "true", in: { i: "\${both.x}/a.csv" } }`);
    expect(paths(pipeline, 'use', 'i')).toBe('out/test/deep/a.csv');
  });
});

describe('YAML', () => {
  test('anchors, aliases, merge keys, quotes and block scalars mean what YAML says', () => {
    const pipeline = load(
      `
params:
  base: &base { cpu: 2, list: [1] }
  copy: *base
  'quoted key': "tab\\t"
tasks:
  t:
    run: |
      one
        two
    params:
      <<: [*base, { cpu: 5, other: 1 }]
      list: [~, null, 1e3, 0x10, "1", 'it''s', yes]
  u: { run: "true", params: { c: "\${copy}" } }`.replace('  \'quoted key\': "tab\\t"\n', ''),
    );
    expect(node(pipeline, 't').action).toEqual({ kind: 'shell', command: 'one\n  two\n' });
    expect(node(pipeline, 't').params).toEqual({ cpu: 2, other: 1, list: [null, null, 1000, 16, '1', "it's", 'yes'] });
    expect(node(pipeline, 'u').params).toEqual({ c: { cpu: 2, list: [1] } });
  });

  test('a byte order mark and Windows line ends do not shift places', () => {
    const loaded = () => load('\uFEFFtasks:\r\n  t:\r\n    run: echo ${nope}\r\n');
    expect(loaded).toThrow('pipeline.yml:3:15  nothing is called "nope"');
  });
});

describe('a matrix', () => {
  const names = (matrix: string) =>
    load(`tasks: { t: { run: "true", matrix: ${matrix} } }`).nodes.map((item) => item.name);

  test('exclude takes points away, then include adds them, a missing axis standing for all its values', () => {
    expect(names('{ a: [1, 2], b: [x, y], exclude: [{ a: 1 }], include: [{ a: 3 }, { a: 1, b: z }] }')).toEqual([
      't[a=2,b=x]',
      't[a=2,b=y]',
      't[a=3,b=x]',
      't[a=3,b=y]',
      't[a=1,b=z]',
    ]);
  });

  test('an empty axis has no nodes and a range counts from 0', () => {
    expect(names('{ a: [] }')).toEqual([]);
    expect(names('{ a: { range: 2 } }')).toEqual(['t[a=0]', 't[a=1]']);
  });

  test('what does not vary is one object for all nodes', () => {
    const { nodes } = load('tasks: { t: { run: "true", matrix: { a: { range: 3 } }, params: { x: [1] } } }');
    expect(nodes[2]!.params).toBe(nodes[0]!.params);
  });
});

describe('a command', () => {
  test("has paths quoted where the shell needs it and leaves the shell's own dollars alone", () => {
    const pipeline = load(`
tasks:
  a: { run: "true", matrix: { x: ["it's", b] }, out: { o: "out/\${x}" } }
  b:
    run: join \${in.all} \${in.one} > \${out.o}; echo $1 $HOME $(date) $\${x} \${params.n} \${params.list}
    in: { all: "\${a.o}", one: data/my file.csv }
    params: { n: 3, list: [a, 1] }
    out: { o: out/joined.csv }`);
    expect(node(pipeline, 'b').action).toEqual({
      kind: 'shell',
      command: "join 'out/it'\\''s' out/b 'data/my file.csv' > out/joined.csv; echo $1 $HOME $(date) ${x} 3 a 1",
    });
  });
});

describe('paths', () => {
  test('an input is relative to the root when it lies inside it, else absolute', () => {
    const pipeline = load(`
tasks:
  t: { run: "true", in: { a: ./data//x/, b: /project/data/y, c: ../far, d: /etc/hosts }, out: { o: ./out//x/ } }`);
    const read = node(pipeline, 't').inputs.map((role) => role.sources[0]!.path);
    expect(node(pipeline, 't').outputs).toEqual([{ name: 'o', path: 'out/x' }]);
    expect(read).toEqual(['data/x', 'data/y', '/far', '/etc/hosts']);
  });
});

describe('defaults', () => {
  test('are all nodes, or what default: selects, in the order of the pipeline', () => {
    const tasks =
      'a: { run: "true" }, b: { run: "true", matrix: { x: [1, 2] } }, none: { run: "true", matrix: { x: [] } }';
    expect(load(`tasks: { ${tasks} }`).defaults).toEqual(['a', 'b[x=1]', 'b[x=2]']);
    expect(load(`{ default: ["b[x=2]", none, a], tasks: { ${tasks} } }`).defaults).toEqual(['a', 'b[x=2]']);
  });

  test("of a profile take the place of the file's, and are no parameter", () => {
    const text = (of: string) => `
default: a
params: { n: 1 }
profiles: { other: { n: 2, ${of} } }
tasks: { a: { run: "true", params: { n: "\${n}" } }, b: { run: "true" }, c: { run: "true" } }`;
    const other = { profile: 'other' };
    expect(load(text('default: [c, b]')).defaults).toEqual(['a']);
    expect(load(text('default: [c, b]'), other).defaults).toEqual(['b', 'c']);
    expect(load(text('default: c'), other).defaults).toEqual(['c']);
    expect(load(text('default: []'), other).defaults).toEqual(['a', 'b', 'c']);
    expect(load(text(''), other).defaults).toEqual(['a']);
    expect(node(load(text('default: b'), other), 'a').params).toEqual({ n: 2 });
  });
});
