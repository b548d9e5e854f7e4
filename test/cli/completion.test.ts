// completion: what Tab gives, asked of a real bash.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { splitWords } from '../../engine/cli/completion.ts';
import { createProject, type Project, REPOSITORY } from '../rigs/project.ts';

const open: Project[] = [];
afterEach(() => {
  for (const project of open.splice(0)) project.remove();
});

function project(): Project {
  const made = createProject({
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
    'bin/dag': `#!/bin/sh\nexec '${process.execPath}' '${path.join(REPOSITORY, 'dist/dag.js')}' "$@"\n`,
  });
  open.push(made);
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
});

test('each script is one that its shell can read, as far as the shell is here', () => {
  const p = project();
  const dag = (shell: string) => execFileSync(p.path('bin/dag'), ['completion', shell], { encoding: 'utf8' });
  expect(spawnSync('bash', ['-n'], { input: dag('bash') }).status).toBe(0);
  for (const shell of ['zsh', 'fish']) {
    expect(dag(shell)).toContain('__complete');
    const check = spawnSync(shell, ['-n'], { input: dag(shell) });
    if (!check.error) expect(check.status).toBe(0);
  }
});
