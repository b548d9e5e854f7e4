// Pipelines as nobody would write them, as YAML: nearly right by the schema, with anything in places; and real files with wounds.
import fc from 'fast-check';

/** Names that mean something to YAML, to JavaScript or to us, among plain ones that meet again. */
const PLAIN = ['a', 'b', 'c', 'x', 'y', 'p', 'q', 'o', 'i', 'm'];
const ODD = [
  ...['constructor', '__proto__', 'toString', 'hasOwnProperty', 'length', 'name', 'then', 'in', 'out', 'params'],
  ...['range', 'include', 'exclude', 'default', '<<', '1', '-1', 'a b', 'a.b', 'ä', '𝄞', '\u200b', 'x'.repeat(300)],
];
const NUMBERS = [
  ...['0', '1', '2', '-1', '2.5', '1e3', '007', '3.10', '0x1F', '0o17', '-0', '+1', '.5', '1e-400'],
  ...['9007199254740993', '-1234567890123456789', '.nan', '.inf', '-.inf', '1e999', '0x20000000000001'],
];
const WORDS = [
  'true',
  'True',
  'null',
  '~',
  '16GiB',
  '90s',
  '1constructor',
  '1h30m',
  'out/a',
  '.',
  '..',
  'a\\nb',
  '\\0',
  '\\ud800',
];

const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...PLAIN) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD) },
);
const quoted = (text: string) => `"${text.replaceAll('"', '\\"')}"`;

const pick = fc.tuple(name, name).map(([axis, label]) => `${axis}=${label}`);
const reference = fc
  .tuple(
    name,
    fc.array(name, { maxLength: 3 }),
    fc.array(pick, { maxLength: 2 }),
    fc.constantFrom('', '', '', '?', '.', '[', '/'),
  )
  .map(
    ([head, fields, picks, end]) => `\${${[head, ...fields].join('.')}${picks.length > 0 ? `[${picks}]` : ''}${end}}`,
  );

const text = fc
  .array(fc.oneof(name, reference, fc.constantFrom(...WORDS, '$', '${', '$${', '}', ' ')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => quoted(parts.join('')));
const scalar = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...WORDS.slice(0, -2)),
  name.map(quoted),
  reference.map(quoted),
  text,
);

const list = (of: fc.Arbitrary<string>, maxLength = 3) =>
  fc.array(of, { maxLength }).map((items) => `[${items.join(', ')}]`);
const mapping = (key: fc.Arbitrary<string>, of: fc.Arbitrary<string>, maxKeys = 3) =>
  fc
    .uniqueArray(fc.tuple(key, of), { maxLength: maxKeys, selector: ([at]) => at })
    .map((entries) => `{ ${entries.map(([at, value]) => `${quoted(at)}: ${value}`).join(', ')} }`);

const anchored = (of: fc.Arbitrary<string>) =>
  fc.oneof(
    { weight: 12, arbitrary: of },
    { weight: 1, arbitrary: of.map((value) => `&n ${value}`) },
    { weight: 1, arbitrary: fc.constantFrom('*n', '*m', '!!str 1', '!x 1', '{ <<: *n }') },
  );
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: anchored(
    fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, list(tie('value')), mapping(name, tie('value'))),
  ),
}));

/** A value that needs nothing else. */
const { datum } = fc.letrec<{ datum: string }>((tie) => ({
  datum: fc.oneof(
    { depthSize: 'small' },
    { weight: 3, arbitrary: fc.constantFrom('1', 'u', '2.5', 'true', 'null') },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...NUMBERS, ...WORDS.slice(0, -3)), name.map(quoted)) },
    { weight: 1, arbitrary: list(tie('datum')) },
    { weight: 1, arbitrary: mapping(name, tie('datum')) },
  ),
}));

/** Mostly what belongs there. */
const mostly = (right: fc.Arbitrary<string>, wrong = value) =>
  fc.oneof({ weight: 40, arbitrary: right }, { weight: 1, arbitrary: wrong });
const maybe = (right: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant('') }, { weight: 1, arbitrary: mostly(right) });

const axisValues = mostly(
  fc.oneof(
    fc
      .uniqueArray(fc.constantFrom('1', '2', 'u', 'v', '{ name: w, k: 1 }'), { minLength: 1, maxLength: 3 })
      .map(String)
      .map((items) => `[${items}]`),
    fc.constantFrom('{ range: 2 }', '{ range: 0 }', '"${l}"', '"${m.a}"'),
  ),
);

interface Drawn {
  readonly axes: readonly string[];
  readonly matrix: readonly string[];
  readonly points: string;
  readonly reads: readonly string[];
  readonly rest: Readonly<Record<string, string>>;
  readonly run: string;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  axes: fc.uniqueArray(fc.constantFrom('x', 'y'), { maxLength: 2 }),
  matrix: fc.tuple(axisValues, axisValues),
  points: maybe(fc.oneof(fc.constant('[{ x: 9 }]'), list(mapping(name, scalar, 2), 2))),
  reads: fc.array(
    mostly(
      fc.constantFrom('${A.o}', '${A.o}', '${A.o[x=1]}', '${A.o}/part', 'src/s', 'src/s', 'src', '["${A.o}", src/s]'),
    ),
    { maxLength: 2 },
  ),
  run: mostly(
    fc.constantFrom('"true"', '"echo ${out.o}"', '"py${n} ${l}"', '"${p}"', '"${m.b} ${n} $HOME $${a}"'),
    fc.oneof(text, fc.constantFrom('"${in.i0}"', '"${params.a} ${x}"')),
  ),
  rest: fc.record({
    params: fc.oneof(fc.constant(''), mapping(name, fc.oneof({ weight: 9, arbitrary: datum }, value))),
    after: maybe(list(fc.constantFrom('A', 'A', 'A', 'b', '"A[x=1]"'), 1)),
    resources: maybe(
      fc.oneof(
        fc.constantFrom(
          '{ cpu: 2, memory: 2GiB }',
          '{ gpu: 0.5, gpu_optional: true }',
          '{ cpu: "${n}", pools: { w: 1 } }',
        ),
        mapping(fc.constantFrom('cpu', 'memory', 'gpu', 'preemptible', 'pools', 'toString'), scalar),
      ),
    ),
    env: maybe(list(name)),
    tools: maybe(mapping(name, fc.constant('"true"'))),
    retries: maybe(fc.constantFrom('1', '"${n}"', '0', '2')),
    timeout: maybe(fc.constantFrom('90s', '"${t}"', '1h30m', '1.5 min')),
    duration: maybe(fc.constantFrom('90s', '2.5h', '99999999999999999999d')),
  }),
});

function taskText(task: string, at: number, { axes, matrix, points, reads, rest, run }: Drawn): string {
  const before = PLAIN[at - 1];
  const its = (word: string) => (before === undefined ? 'src/s' : word.replaceAll('A', before));
  const quotedPath = (read: string) => (/^["[{&*]/.test(read) ? its(read) : quoted(its(read)));
  const axesText = axes.map((axis, i) => `${axis}: ${matrix[i]}`);
  if (points && axes.includes('x')) axesText.push(`include: ${points}`);
  const lines = Object.entries(rest).flatMap(([key, text]) =>
    text ? [`    ${key}: ${text.replaceAll('A', before ?? 'b')}`] : [],
  );
  if (axesText.length > 0) lines.push(`    matrix: { ${axesText.join(', ')} }`);
  if (reads.length > 0) lines.push(`    in: { ${reads.map((read, i) => `i${i}: ${quotedPath(read)}`).join(', ')} }`);
  lines.push(`    out: { o: "out/${at}${axes.map((axis) => `_\${${axis}}`).join('')}" }`);
  return [`  ${task}:`, `    run: ${run}`, ...lines].join('\n');
}

/** A whole file, nearly right. */
export const pipeline: fc.Arbitrary<string> = fc
  .record({
    tasks: fc.array(drawn, { minLength: 1, maxLength: 4 }),
    names: fc.uniqueArray(mostly(fc.constantFrom(...PLAIN.slice(0, 3)), name), {
      minLength: 4,
      maxLength: 4,
      comparator: () => false,
    }),
    p: mostly(fc.oneof(fc.constantFrom('1', '3.10', 'u', '{ name: n, a: 1 }'), datum), value),
    q: mostly(fc.constantFrom('10m', '"${t}"', '"1${m.b}m"'), value),
    m: mostly(
      fc.constantFrom('{ a: [1], b: 2 }', '{ a: [u, v], b: "${n}" }', '{ a: "${l}", b: 0, <<: &n { c: 3 } }'),
      value,
    ),
    more: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom('', 'profile: f\nprofiles: { f: { p: 2, default: a } }', 'default: a') },
      { weight: 1, arbitrary: mapping(name, value).map((profiles) => `profiles: ${profiles}`) },
      { weight: 1, arbitrary: fc.tuple(name, value).map(([key, of]) => `${quoted(key)}: ${of}`) },
    ),
  })
  .map(({ tasks, names, p, q, m, more }) =>
    [
      `params: { p: ${p}, q: ${q}, m: ${m}, l: [1, 2], n: 2, t: 5s }`,
      'pools: { w: 2 }',
      more,
      'tasks:',
      ...tasks.map((task, i) => taskText(i < 3 && PLAIN.includes(names[i]!) ? PLAIN[i]! : quoted(names[i]!), i, task)),
    ].join('\n'),
  );

const TOKENS = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ':',
    ': ',
    '- ',
    ', ',
    '? ',
    '&n ',
    '*n',
    '<<: ',
    '!!str ',
    '| ',
    '>-\n',
    '#',
    '"',
    "'",
    '\t',
    '\n',
    '  ',
  ],
  ...[
    '---\n',
    '%YAML 1.2\n',
    '...',
    '\0',
    '\uFEFF',
    '\ud800',
    '\u2028',
    '\r',
    '${',
    '}',
    '${a',
    '.?',
    '__proto__',
    'constructor',
  ],
];

interface Wound {
  readonly kind: 'cut' | 'repeat' | 'insert' | 'move' | 'end';
  readonly at: number;
  readonly length: number;
  readonly to: number;
  readonly token: string;
}

const wound: fc.Arbitrary<Wound> = fc.record({
  kind: fc.constantFrom('cut', 'repeat', 'insert', 'insert', 'move', 'end'),
  at: fc.nat(1_000_000),
  length: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 200 })),
  to: fc.nat(1_000_000),
  token: fc.oneof(fc.constantFrom(...TOKENS), fc.constantFrom(...NUMBERS), scalar, reference),
});

function wounded(text: string, { kind, at, length, to, token }: Wound): string {
  const start = at % (text.length + 1);
  const end = Math.min(text.length, start + length);
  const [before, part, after] = [text.slice(0, start), text.slice(start, end), text.slice(end)];
  switch (kind) {
    case 'cut':
      return before + after;
    case 'repeat':
      return before + part + part + after;
    case 'insert':
      return before + token + text.slice(start);
    case 'move': {
      const rest = before + after;
      const place = to % (rest.length + 1);
      return rest.slice(0, place) + part + rest.slice(place);
    }
    case 'end':
      return start > 0 ? before : text;
  }
}

/** A text with one to three wounds. */
export const damaged = (whole: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(whole, fc.array(wound, { minLength: 1, maxLength: 3 }))
    .map(([file, wounds]) => wounds.reduce(wounded, file));

/** What stands behind `--set`. */
export const setting = fc.oneof(
  fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), value).map(([path, of]) => `${path.join('.')}=${of}`),
  fc.constantFrom(
    '',
    '=',
    'p',
    'p=',
    '.=1',
    'p.=1',
    'm.__proto__.x=1',
    'p={',
    'p=- 1\n- 2',
    'p=--- 1\n--- 2',
    'p=&n [*n]',
  ),
);

export const selector = fc
  .tuple(
    fc.constantFrom('', '', '+'),
    name,
    fc.array(fc.tuple(name, name), { maxLength: 2 }),
    fc.constantFrom('', '', '+', '*', '[', ']', '[x', '[x=', '[*]'),
  )
  .map(
    ([before, task, picks, end]) =>
      `${before}${task}${picks.length > 0 ? `[${picks.map((one) => one.join('=')).join()}]` : ''}${end}`,
  );
