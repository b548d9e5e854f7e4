// Which variables of the caller's environment are in a node's key, and which of those are shown as they are: a table of what people
// write, and real shells for what nobody does.
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMachines } from '../../engine/model/environment.ts';
import { callersVariables, mayCount, ownVariables, withoutSecrets } from '../../engine/model/variables.ts';

const shell = (command: string, env: readonly string[] = []) => ({ action: { kind: 'shell', command } as const, env });

/** The command, the names that count, and those that do not reach it. */
const TABLE: [string, string, string?][] = [
  ['echo $A "${B}" ${#C} "$D$E" x$F.y', 'A B C D E F'],
  ['echo A \\B $1 $@ $$ $? ${1:-x} ${#} "it\'s"', ''],
  ['echo ${A:-$B} ${C:+"$D"} ${E%"$F"} ${G?not set}', 'A B C D E F G'],
  ['bash -c \'echo $A\'; sh -c "echo \\$B"', 'A B'],
  ["cat <<'END'\n$A\nEND", 'A'],
  ['echo $((A + 0x1F * ($B - 2)))', 'A B echo'],
  ['printenv A | cat', 'A cat printenv'],
  ['python -c "import os; print(os.environ[\'A\'])"', 'A c environ import os print python'],
  ['echo $A\\\nB', 'AB'],
  ['A=1; echo $A', '', 'A'],
  ['A=1\necho $A', '', 'A'],
  ['export A=1 && B="x y"; echo $A $B', '', 'A B'],
  ['D=$(dirname x)/y; echo $D', '', 'D'],
  ['if x; then A=1; else A=2; fi; echo $A', '', 'A'],
  ["sh -c 'A=1; echo $A'", 'A'],
  ['A=${A:-1}; B=$A; echo $B', 'A', 'B'],
  ['echo $A; A=1', 'A'],
  ['[ -n "$A" ] || A=1; echo $A', 'A'],
  ['[ -e x ] || A=1; echo $A', 'A'],
  ['A=1 prog $A', 'A'],
  ['make A=1; echo $A --B=2 $B', 'A B'],
  ['for A in x "$B"; do echo $A; done', 'B', 'A'],
  ['ls | while IFS= read -r A; do echo $A; done; while read B; do echo $B; done < x', '', 'A B'],
  ['echo looking for A in $A', 'A'],
  ['A=$(sort <<E\n$A\nE\n)', 'A'],
];

test.each(TABLE)('%j takes %j, and has its own %j', (command, names, own = '') => {
  const node = shell(command);
  const words = (text: string) => text.split(' ').filter(Boolean).sort();
  expect(mayCount(node).sort()).toEqual(words(names));
  expect(ownVariables(node).sort()).toEqual(words(own));
});

const environment = { WORD: 'one', OTHER: 'two', EMPTY: '', HOME: '/home/me', LANG: 'de_DE', DAG_CORES: '2' };

test('what a command names and the caller has set counts, and nothing else', () => {
  const countsFor = (command: string) => callersVariables(shell(command), environment);
  expect(countsFor('echo $WORD ${EMPTY:-x} ${NOT_SET:-x}')).toEqual({ WORD: 'one', EMPTY: '' });
  expect(countsFor('echo WORD; OTHER=1; echo $OTHER $HOME')).toEqual({});
  expect(callersVariables({ action: { kind: 'module', path: '$WORD.ts' }, env: [] }, environment)).toEqual({});
});

test('what the task declares counts whether it is set or not, the machine’s own only then', () => {
  const node = shell('WORD=1; echo $HOME $LANG $DAG_CORES $WORD', ['LANG', 'NOT_SET', 'WORD']);
  expect(callersVariables(node, environment)).toEqual({ LANG: 'de_DE', NOT_SET: null, WORD: 'one' });
  expect(ownVariables(node)).toEqual([]);
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'LC_TIME', 'TZ', 'CUDA_VISIBLE_DEVICES', 'DAG_SCRATCH'])
    expect(isMachines(name), name).toBe(true);
  for (const name of ['LANGUAGES', 'HOMEPAGE', 'PYTHONPATH', 'OMP_NUM_THREADS'])
    expect(isMachines(name), name).toBe(false);
});

test('a secret is shown by its digest, once', () => {
  const abc = 'sha256:ba7816bf8f01';
  const given = { API_TOKEN: 'abc', dbPassword: 'abc', WORD: 'abc', SSH_KEY: null, 'tool keytool': '1.0' };
  const shown = withoutSecrets(given);
  expect(shown).toEqual({ ...given, API_TOKEN: abc, dbPassword: abc });
  expect(withoutSecrets(shown)).toEqual(shown);
});

const names = fc.constantFrom('A', 'B', 'C');
const word = fc.oneof(
  names.map((name) => `"$${name}"`),
  fc.tuple(names, names).map(([a, b]) => `\${${a}:-x$${b}}`),
  fc.tuple(names, names).map(([a, b]) => `"$(${a}=2; echo \${${a}}$${b})"`),
  names.map((name) => `'$${name}; A=1; '`),
  names.map((name) => `$((${name} + 1))`),
  names.map((name) => `$(sh -c 'echo $${name}')`),
  names.map((name) => `$(printenv ${name})`),
  fc.constantFrom('x', '"a b; C=5; "', '\\$A', '`echo $B`', '${C:=7}', '"${A:+\'y\'}"'),
);
const { command } = fc.letrec<{ command: string; list: string }>((tie) => ({
  list: fc.array(tie('command'), { minLength: 1, maxLength: 3 }).map((all) => all.join('\n')),
  command: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    word.map((text) => `echo ${text}`),
    fc.tuple(names, word).map(([name, text]) => `${name}=${text}`),
    fc.tuple(names, word, word).map(([name, value, text]) => `${name}=${value} echo ${text}`),
    fc.tuple(names, word).map(([name, text]) => `export ${name}=${text}`),
    names.map((name) => `unset ${name}`),
    fc.tuple(names, word).map(([name, text]) => `read ${name} <<E\n${text}\nE`),
    word.map((text) => `cat <<'E'\n${text}\nE`),
    fc.tuple(tie('command'), fc.constantFrom('&&', '||', '|'), tie('command')).map((parts) => parts.join(' ')),
    fc.tuple(tie('list'), tie('list'), tie('list')).map(([a, b, c]) => `if ${a}\nthen ${b}\nelse ${c}\nfi`),
    fc.tuple(names, word, tie('list')).map(([name, text, body]) => `for ${name} in ${text} 2; do ${body}\ndone`),
    fc.tuple(names, tie('list')).map(([name, body]) => `echo 1 | while read ${name}; do ${body}\ndone`),
    tie('list').map((body) => `(${body})`),
    tie('list').map((body) => `f() { ${body}\n}; f`),
  ),
}));

test('a variable that does not count makes no difference to a real shell', () => {
  let differ = 0;
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 4 }), (lines) => {
      const script = lines.join('\n');
      const node = shell(script);
      /** As it is run. */
      const print = (given: NodeJS.ProcessEnv) => {
        const env = {
          ...given,
          PATH: process.env.PATH,
          ...Object.fromEntries(ownVariables(node).map((name) => [name, undefined])),
        };
        const { status, stdout } = spawnSync('/bin/sh', ['-c', script], { env, encoding: 'utf8', input: '' });
        return `${status} ${stdout}`;
      };
      const given = { A: '3', B: '1', C: '2' };
      const counts = callersVariables(node, given);
      const expected = print(given);
      if (Object.keys(counts).length > 0 && print({}) !== expected) differ++;
      expect(print({ A: '4', B: '4', C: '4', ...counts } as NodeJS.ProcessEnv)).toBe(expected);
      expect(print(counts as NodeJS.ProcessEnv)).toBe(expected);
    }),
    { numRuns: 150 },
  );
  expect(differ).toBeGreaterThan(15);
});
