// completion: what Tab gives, asked of a real bash.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { splitWords } from '../../engine/cli/completion.ts';
import { DAG, openProject, type Project } from '../rigs/project.ts';

function project(): Project {
  const made = openProject({
    'pipeline.yml': `
params: { epochs: 3, net: { width: 1, depth: 2 } }
profiles: { small: { epochs: 1 }, large: { epochs: 9 } }
tasks:
  data: { run: "echo x > \${out.x}", out: { x: out/data } }
  train:
    matrix: { model: [a, b], fold: { range: 2 } }
    run: "echo \${params.e} > \${out.x}"
    params: { e: "\${epochs}" }
    out: { x: "out/train/\${model}/\${fold}" }
`,
    'bin/dag': `#!/bin/sh\nexec '${process.execPath}' '${DAG}' "$@"\n`,
  });
  chmodSync(made.path('bin/dag'), 0o755);
  return made;
}

/** The completions of a line in an interactive bash: words are cut by bash itself, as when Tab is pressed. */
function complete(p: Project, line: string): string[] {
  const script = `
eval "$(dag completion bash)"
COMP_LINE=$1; COMP_POINT=\${#COMP_LINE}
COMP_WORDS=(); rest=$1
# As readline cuts: blanks part words; = and : are words of their own outside of quotes.
while [[ -n $rest ]]; do
  if [[ $rest =~ ^[[:space:]]+ ]]; then rest=\${rest:\${#BASH_REMATCH[0]}}; [[ -z $rest ]] && COMP_WORDS+=(""); continue; fi
  if [[ $rest =~ ^[=:]+ ]]; then COMP_WORDS+=("\${BASH_REMATCH[0]}"); rest=\${rest:\${#BASH_REMATCH[0]}}; continue; fi
  if [[ $rest =~ ^\\'[^\\']*\\'? ]]; then COMP_WORDS+=("\${BASH_REMATCH[0]}"); rest=\${rest:\${#BASH_REMATCH[0]}}; continue; fi
  [[ $rest =~ ^[^[:space:]=:]+ ]]; COMP_WORDS+=("\${BASH_REMATCH[0]}"); rest=\${rest:\${#BASH_REMATCH[0]}}
done
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_dag
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, PATH: `${p.path('bin')}:${process.env.PATH}` };
  const answer = spawnSync('bash', ['--norc', '-c', script, 'bash', line], { cwd: p.root, env, encoding: 'utf8' });
  if (answer.status !== 0) throw new Error(answer.stderr);
  return answer.stdout.split('\n').filter((word) => word !== '');
}

describe('Tab in bash', () => {
  test('completes commands and flags', () => {
    const p = project();
    expect(complete(p, 'dag st').sort()).toEqual(['status', 'stop']);
    expect(complete(p, 'dag run --ke')).toEqual(['--keep-going']);
    expect(complete(p, 'dag ')).toContain('history');
    expect(complete(p, 'dag ')).not.toContain('__complete');
  });

  test('completes tasks and nodes, of which bash replaces only what is behind the last =', () => {
    const p = project();
    expect(complete(p, 'dag run t')).toContain('train');
    expect(complete(p, 'dag log train[model=a')).toEqual(['a,fold=0]', 'a,fold=1]']);
    expect(complete(p, 'dag log train[model=a,fold=')).toEqual(['0]', '1]']);
    expect(complete(p, "dag why 'train[model=b,fold=1")).toEqual(['train[model=b,fold=1]']);
  });

  test('completes profiles, parameters, formats, runs and shells', async () => {
    const p = project();
    await p.run();
    expect(complete(p, 'dag plan --profile s')).toEqual(['small']);
    expect(complete(p, 'dag run --set ne')).toEqual(['net.width=', 'net.depth=']);
    expect(complete(p, 'dag graph --format s')).toEqual(['svg']);
    expect(complete(p, 'dag diff la')).toEqual(['last']);
    expect(complete(p, 'dag completion z')).toEqual(['zsh']);
  });

  test('gives nothing, and says nothing, where the file does not load', () => {
    const p = project();
    p.write('pipeline.yml', 'tasks: [');
    expect(complete(p, 'dag run t')).toEqual([]);
  });
});

test('words are split as the shell does', () => {
  expect(splitWords("dag why 'a b' c")).toEqual(['dag', 'why', 'a b', 'c']);
  expect(splitWords('dag ')).toEqual(['dag', '']);
  expect(splitWords("dag why a\\[b 'c\\d'")).toEqual(['dag', 'why', 'a[b', 'c\\d']);
});

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;
const here = (p: Project) => ({ cwd: p.root, encoding: 'utf8' as const, env: pathWith(p) });
const pathWith = (p: Project) => ({ ...process.env, PATH: `${p.path('bin')}:${process.env.PATH}`, HOME: p.root });

test.skipIf(!has('fish'))(
  'fish completes commands, nodes, also in quotes, parameters, and files and folders where they are meant',
  () => {
    const p = project();
    p.write('dag.fish', execFileSync(p.path('bin/dag'), ['completion', 'fish'], { encoding: 'utf8' }));
    const completed = (line: string) =>
      spawnSync('fish', ['-c', 'source dag.fish; complete -C $argv[1]', line], here(p)).stdout.trimEnd().split('\n');
    expect(completed('dag sta')).toEqual(['status']);
    expect(completed("dag why 'train[model=b,fold=1")).toEqual(['train[model=b,fold=1]']);
    expect(completed('dag run --set net.w')).toEqual(['net.width=']);
    expect(completed('dag run --file pipe')).toEqual(['pipeline.yml']);
    expect(completed('dag run -C bi')).toEqual([expect.stringMatching(/^bin\//)]);
  },
);

test('with --json the script is a field of one object', async () => {
  const p = project();
  const { stdout: script } = await p.dag('completion', 'fish');
  const { stdout } = await p.dag('completion', 'fish', '--json');
  expect(JSON.parse(stdout)).toEqual({ schemaVersion: 1, script });
});

/** Types the line and Tab into a zsh with a terminal of its own, and prints what then stands on its command line. */
const ZPTY = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1="> "; show() { print -r -- "LINE:$BUFFER:END" }; zle -N show; bindkey "^O" show'
zpty -w z 'autoload -U compinit; compinit -u; source dag.zsh; echo READY-$((1+1))'
zpty -r -m z out '*READY-2*'
zpty -n -w z "$1"$'\\t\\x0f'
zpty -r -m z out '*LINE:*:END*'
print -r -- "$out"
zpty -d z`;

test.skipIf(!has('zsh')).each([
  ['dag sta', 'dag status '],
  ['dag why train\\[model=b,fold=1', 'dag why train\\[model=b,fold=1\\] '],
  ["dag why 'train[model=b,fold=1", "dag why 'train[model=b,fold=1]' "],
  ['dag run --set net.w', 'dag run --set net.width='],
  ['dag run --file pipe', 'dag run --file pipeline.yml '],
])('zsh completes %s', (line, completed) => {
  const p = project();
  p.write('dag.zsh', execFileSync(p.path('bin/dag'), ['completion', 'zsh'], { encoding: 'utf8' }));
  const answer = spawnSync('zsh', ['-f', '-c', ZPTY, 'zsh', line], { ...here(p), timeout: 30_000 });
  expect(answer.stdout).toContain(`LINE:${completed}:END`);
});
