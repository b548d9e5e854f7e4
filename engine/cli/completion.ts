// dag completion: a script for bash, zsh or fish that asks `dag __complete` at each press of Tab: commands, flags, and
// the names of this project's tasks, nodes, profiles, parameters and runs.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { runIds } from '../journal/read.ts';
import { own } from '../model/own.ts';
import { type CommonFlags, loadProject, pipelineFile } from '../project/session.ts';
import { UsageError } from '../project/usageError.ts';
import { placesOf } from '../state/places.ts';
import { EXIT } from './exit.ts';

// bash cuts words at = and :, and replaces only what is behind the last of them: `--word` says what that is.
const BASH = `_dag() {
  local found
  COMPREPLY=()
  while IFS= read -r found; do COMPREPLY+=("$found"); done < <(
    "\${COMP_WORDS[0]}" __complete --word "\${COMP_WORDS[COMP_CWORD]}" -- "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null
  )
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _dag dag
`;
const ZSH = `#compdef dag
_dag() {
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete -- "\${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
  if [[ -z "\${found[1]}" ]]; then _files; return; fi
  compadd -- "\${(@)found:#*=}"
  compadd -S '' -- "\${(@M)found:#*=}"
}
compdef _dag dag
`;
const FISH = `function __dag_complete
  dag __complete -- (commandline -cp) 2>/dev/null
end
complete -c dag -f -a '(__dag_complete)'
complete -c dag -n '__fish_prev_arg_in --file' -F
complete -c dag -n '__fish_prev_arg_in -C --directory' -a '(__fish_complete_directories)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export async function completionCommand(shell: string | undefined, { json }: CommonFlags): Promise<number> {
  const script = own(SCRIPTS, shell ?? '');
  if (!script)
    throw new UsageError(
      [
        'name the shell: dag completion bash, zsh or fish',
        '  bash: echo \'eval "$(dag completion bash)"\' >> ~/.bashrc',
        '  zsh:  echo \'eval "$(dag completion zsh)"\' >> ~/.zshrc      (after compinit)',
        '  fish: dag completion fish > ~/.config/fish/completions/dag.fish',
      ].join('\n'),
    );
  process.stdout.write(json ? `${JSON.stringify({ schemaVersion: 1, script })}\n` : script);
  return EXIT.done;
}

/** `line`: the command line up to the cursor. Prints a candidate a line; nothing where files are meant. */
export async function completeCommand(program: Command, line: string, word: string | undefined): Promise<number> {
  const words = splitWords(line);
  const current = words.pop() ?? '';
  const found = (await candidates(program, words.slice(1), current)).filter((one) => one.startsWith(current));
  const cut = word === undefined ? 0 : current.length - unquoted(word === '=' || word === ':' ? '' : word).length;
  for (const one of new Set(found)) process.stdout.write(`${one.slice(Math.max(0, cut))}\n`);
  return EXIT.done;
}

const unquoted = (word: string) => word.replace(/^['"]/, '');

/** As the shell would, quotes and backslashes taken off; the last word may be unfinished, and is empty behind a blank. */
export function splitWords(line: string): string[] {
  const words = [''];
  let quote = '';
  let escaped = false;
  for (const letter of line) {
    if (escaped) {
      words[words.length - 1] += letter;
      escaped = false;
    } else if (letter === '\\' && quote !== "'") escaped = true;
    else if (quote === '' && (letter === "'" || letter === '"')) quote = letter;
    else if (letter === quote) quote = '';
    else if (quote === '' && /\s/.test(letter)) words.push('');
    else words[words.length - 1] += letter;
  }
  return words.filter((word, at) => word !== '' || at === words.length - 1);
}

const NODE_COMMANDS = new Set([
  'run',
  'plan',
  'watch',
  'status',
  'why',
  'graph',
  'log',
  'accept',
  'verify',
  'clean',
  'history',
]);

async function candidates(program: Command, words: readonly string[], current: string): Promise<string[]> {
  const command = program.commands.find((one) => words.includes(one.name()));
  const before = words.at(-1) ?? '';
  const flag = command?.options.find((option) => option.short === before || option.long === before);
  if (flag && (flag.required || flag.optional)) return valuesOf(flag.long ?? '', words);
  if (current.startsWith('-')) return (command ?? program).options.flatMap(({ long }) => long ?? []).concat('--help');
  if (!command) return program.commands.map((one) => one.name()).filter((name) => !name.startsWith('__'));
  if (command.name() === 'completion') return Object.keys(SCRIPTS);
  if (command.name() === 'diff') return runNames(words);
  return NODE_COMMANDS.has(command.name()) ? nodeNames(words, current) : [];
}

async function valuesOf(flag: string, words: readonly string[]): Promise<string[]> {
  switch (flag) {
    case '--format':
      return ['text', 'mermaid', 'dot', 'svg'];
    case '--profile':
      return Object.keys((await topLevel(words)).profiles ?? {});
    case '--set':
      return parameterNames((await topLevel(words)).params ?? {}, '').map((name) => `${name}=`);
    case '--pin':
    case '--unpin':
      return [...runNames(words), ...nodeNames(words, '')];
    default:
      return [];
  }
}

/** A thousand nodes are no help: until a bracket is typed, tasks stand for them. */
const NODES_SHOWN = 100;

function nodeNames(words: readonly string[], current: string): string[] {
  const { nodes } = loadProject(flagsIn(words));
  const tasks = [...new Set(nodes.map(({ task }) => task))];
  if (current.includes('[')) return nodes.map(({ name }) => name);
  return nodes.length > NODES_SHOWN ? tasks : [...tasks, ...nodes.map(({ name }) => name)];
}

function runNames(words: readonly string[]): string[] {
  const root = path.dirname(pipelineFile(flagsIn(words)));
  const ids = runIds(placesOf(root).journals).reverse();
  return [...ids.slice(0, 10).map((_, age) => (age === 0 ? 'last' : `last~${age}`)), ...ids];
}

/** The flags that say which pipeline is meant. */
function flagsIn(words: readonly string[]): CommonFlags {
  const value = (...names: string[]) => words[words.findIndex((word) => names.includes(word)) + 1];
  const given = (...names: string[]) => (words.some((word) => names.includes(word)) ? value(...names) : undefined);
  const [directory, file, profile] = [given('-C', '--directory'), given('--file'), given('--profile')];
  return {
    set: [],
    ...(directory === undefined ? {} : { directory }),
    ...(file === undefined ? {} : { file }),
    ...(profile === undefined ? {} : { profile }),
  };
}

/** Profiles and parameters as they stand in the file. */
async function topLevel(words: readonly string[]): Promise<Record<string, Record<string, unknown>>> {
  const text = readFileSync(pipelineFile(flagsIn(words)), 'utf8');
  const { load } = await import('js-yaml');
  return (load(text) ?? {}) as Record<string, Record<string, unknown>>;
}

function parameterNames(params: Readonly<Record<string, unknown>>, prefix: string): string[] {
  return Object.entries(params).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? parameterNames(value as Record<string, unknown>, `${prefix}${name}.`)
      : [prefix + name],
  );
}
