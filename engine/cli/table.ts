// Every command of the command line as data: its words, options and examples, and the file that does it, loaded when it
// is asked for. `main.ts` makes a program of this list; help pages and completion are made from it too.
import type { RunFlags } from '../project/run.ts';
import { UsageError } from '../project/usageError.ts';

export interface Flags extends RunFlags {
  readonly format?: string;
  readonly all?: boolean;
  readonly follow?: boolean;
  readonly now?: boolean;
  readonly last?: number;
  readonly md?: boolean;
  readonly reason?: string;
  readonly rerun?: boolean;
  readonly maxSize?: string;
  readonly maxAge?: string;
  readonly keepRuns?: number;
  readonly dryRun?: boolean;
  readonly pin?: string[];
  readonly unpin?: string[];
  readonly pins?: boolean;
}

export interface OptionSpec {
  readonly flags: string;
  readonly help: string;
  /** Reads the value; without, it is the text or, for a switch, true. */
  readonly parse?: (text: string, before: unknown) => unknown;
}

export interface CommandSpec {
  /** As in usage: `why <node>`. */
  readonly words: string;
  readonly group: 'Build' | 'Look' | 'Keep' | 'Set up';
  readonly summary: string;
  /** Sentences for the command's own page. */
  readonly about?: string;
  readonly options?: readonly OptionSpec[];
  /** Command line and what it does. */
  readonly examples?: readonly (readonly [line: string, does: string])[];
  run(names: readonly string[], flags: Flags): Promise<number>;
}

const repeated = (value: string, before: unknown) => [...((before as string[] | undefined) ?? []), value];

function wholeNumber(flag: string, least: number) {
  return (text: string) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least)
      throw new UsageError(`${flag} takes a whole number of at least ${least}, not "${text}"`);
    return value;
  };
}

export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { flags: '-C, --directory <dir>', help: 'work in this folder' },
  { flags: '--file <file>', help: 'the pipeline file (default: pipeline.yml here or above)' },
  { flags: '--profile <name>', help: 'overlay this profile of the file' },
  { flags: '--set <name=value>', help: 'set a parameter; may be repeated', parse: repeated },
  { flags: '--json', help: 'print one JSON object on stdout, everything else on stderr' },
];

const FORCE = { flags: '--force', help: 'run the selected nodes even when they are fresh' };
const ONLY = { flags: '--only', help: 'the selected nodes alone, not what they need' };
const TRACE = {
  flags: '--trace',
  help: 'watch shell commands with strace, and tell what they read and write in the project undeclared (Linux)',
};
const RUNNING: readonly OptionSpec[] = [
  { flags: '-k, --keep-going', help: 'after a failure, go on with what does not depend on it' },
  { flags: '-j, --jobs <n>', help: 'cores to use (default: all)', parse: wholeNumber('--jobs', 1) },
  { flags: '--gpus <n>', help: 'GPUs to use (default: what nvidia-smi finds)', parse: wholeNumber('--gpus', 0) },
];

const SELECTORS = `A selector is a task (train), a node ('train[model=a,fold=0]'), a part of a matrix ('train[fold=0]'), a glob
('train[model=eff*]'), a path of an output (out/submission.csv), or one of these with + behind it: and all that needs it.`;

export const COMMANDS: readonly CommandSpec[] = [
  {
    words: 'run [selectors...]',
    group: 'Build',
    summary: 'build what is stale',
    about: `Builds the selected nodes and what they need; without selectors, all (or the file's \`default:\`).
${SELECTORS}
Ctrl-C stops at the next safe point, a second one kills. Exit code: 0 done, 1 a node failed, 2 wrong input, 130 stopped.`,
    options: [FORCE, ONLY, ...RUNNING, TRACE],
    examples: [
      ['dag run', 'everything'],
      ["dag run 'train[fold=0]'", 'the first fold of every model, and what it needs'],
      ['dag run train+ --set epochs=3', 'training and all that comes after, with another parameter'],
      ['dag run report --force --only', 'the report once more, from what lies there'],
      ['dag run clean --force --trace', 'does that shell task read what it does not declare?'],
    ],
    run: async (names, flags) =>
      (await import('./commands/noop.ts')).runNoop(names, flags) ??
      (await import('./commands/run.ts')).runCommand(names, flags),
  },
  {
    words: 'plan [selectors...]',
    group: 'Build',
    summary: 'what run would do, and why, without doing it',
    about: SELECTORS,
    options: [FORCE, ONLY],
    examples: [['dag plan --profile rsna', 'everything that the profile would run']],
    run: async (names, flags) => (await import('./commands/plan.ts')).planCommand(names, flags),
  },
  {
    words: 'watch [selectors...]',
    group: 'Build',
    summary: 'run, and run again after each edit',
    about: `Watches the pipeline's file, the code of its tasks and small source inputs. An edit while nodes run stops those
that it reaches, and begins them again once what runs behind them has ended; the others are left alone. Ctrl-C ends.`,
    options: RUNNING,
    examples: [['dag watch report', 'the report is fresh a moment after each edit']],
    run: async (names, flags) => (await import('./commands/watch.ts')).watchCommand(names, flags),
  },
  {
    words: 'stop',
    group: 'Build',
    summary: 'stop the run that goes on in another terminal',
    about: 'As Ctrl-C in that terminal would: running nodes end at their next safe point. Returns when they have.',
    options: [{ flags: '--now', help: 'kill them, as a second Ctrl-C would' }],
    run: async (_, flags) => (await import('./commands/stop.ts')).stopCommand(flags),
  },
  {
    words: 'status [selectors...]',
    group: 'Look',
    summary: 'the state of every node',
    options: [
      {
        flags: '-f, --follow',
        help: 'watch the run that goes on in another terminal; with --json an object a line: its journal',
      },
    ],
    run: async (names, flags) =>
      flags.follow
        ? (await import('./commands/follow.ts')).followCommand(flags)
        : (await import('./commands/status.ts')).statusCommand(names, flags),
  },
  {
    words: 'why <node>',
    group: 'Look',
    summary: 'why a node is stale, with old and new values',
    examples: [["dag why 'train[model=a,fold=0]'", 'parameter epochs: 6 → 8']],
    run: async (names, flags) => (await import('./commands/why.ts')).whyCommand(names[0]!, flags),
  },
  {
    words: 'graph [selectors...]',
    group: 'Look',
    summary: 'draw the pipeline',
    options: [
      { flags: '--format <format>', help: 'text, mermaid, dot or svg (default: text)' },
      { flags: '--all', help: 'a box a node, not one a task' },
    ],
    examples: [['dag graph --format svg > graph.svg', 'the whole pipeline as a picture, coloured by state']],
    run: async (names, flags) => (await import('./commands/graph.ts')).graphCommand(names, flags),
  },
  {
    words: 'log <node>',
    group: 'Look',
    summary: 'what a node printed when it last ran',
    options: [{ flags: '-f, --follow', help: 'print on while the node runs; wait for it to start' }],
    run: async (names, flags) => (await import('./commands/log.ts')).logCommand(names[0]!, flags),
  },
  {
    words: 'history [node]',
    group: 'Look',
    summary: 'the runs; for a node, each time it ran and why',
    options: [
      {
        flags: '-n, --last <n>',
        help: 'the latest n (default: 20 runs, or all of a node)',
        parse: wholeNumber('--last', 1),
      },
    ],
    run: async (names, flags) => (await import('./commands/history.ts')).historyCommand(names[0], flags),
  },
  {
    words: 'diff [before] [after]',
    group: 'Look',
    summary: 'two runs side by side: parameters, code, data, metrics',
    about: 'A run is last (the default of after), last~1 (of before), last~2, …, or the beginning of its name.',
    options: [{ flags: '--md', help: 'as Markdown' }],
    examples: [['dag diff last~3 last --md', 'for a pull request']],
    run: async (names, flags) => (await import('./commands/diff.ts')).diffCommand(names, flags),
  },
  {
    words: 'accept <nodes...>',
    group: 'Keep',
    summary: 'say that a change of code leaves results valid',
    about: `The nodes' present results are kept for their new code, and nothing that depends on them runs. Only changes of code
can be accepted. Who, when and why is shown by \`dag why\` and \`dag history\` for ever.`,
    options: [{ flags: '--reason <text>', help: 'why; required' }],
    examples: [["dag accept train --reason 'only the log text changed'", 'all of its nodes that are stale']],
    run: async (names, flags) => (await import('./commands/accept.ts')).acceptCommand(names, flags),
  },
  {
    words: 'verify [selectors...]',
    group: 'Keep',
    summary: 'hash the store and all artifacts again',
    about: `Sets what is damaged aside, puts back into the store what is whole in the work tree, and says what has to run
again. Exit code 1 when damage was found.`,
    options: [
      {
        flags: '--rerun',
        help: 'run the selected nodes again in scratch, and compare what they make with what is recorded',
      },
    ],
    examples: [['dag verify --rerun train', 'is training deterministic?']],
    run: async (names, flags) => (await import('./commands/verify.ts')).verifyCommand(names, flags),
  },
  {
    words: 'gc',
    group: 'Keep',
    summary: 'make the cache smaller',
    about: `Without limits, only what no result leads to goes. What is pinned, what the last runs had (--keep-runs) and what a
node's artifacts are made of now stays under any limit. What runs left behind goes too: bundled code, scratch of keys that
their nodes left, items of nodes that are no more, claims. Safe while a build runs.`,
    options: [
      { flags: '--max-size <size>', help: 'drop the longest unused results until the rest fits, e.g. 50GB' },
      {
        flags: '--max-age <time>',
        help: 'drop results that were of no use for so long, e.g. 30d, and scratch of profiles out of use',
      },
      {
        flags: '--keep-runs <n>',
        help: 'keep what the last n runs had; alone: and drop the rest',
        parse: wholeNumber('--keep-runs', 0),
      },
      { flags: '--dry-run', help: 'only say what would go' },
      { flags: '--pin <run|node>', help: "never drop this run's results, or this node's present one", parse: repeated },
      { flags: '--unpin <run|node>', help: 'take a pin away', parse: repeated },
      { flags: '--pins', help: 'list the pins' },
    ],
    examples: [
      ['dag gc --max-size 50GB --max-age 30d --keep-runs 5 --dry-run', 'what would go'],
      ['dag gc --pin last', 'keep the results of the last run for good'],
    ],
    run: async (_, flags) => (await import('./commands/gc.ts')).gcCommand(flags),
  },
  {
    words: 'clean [selectors...]',
    group: 'Keep',
    summary: 'remove artifacts from the work tree; the cache keeps their bytes',
    run: async (names, flags) => (await import('./commands/clean.ts')).cleanCommand(names, flags),
  },
  {
    words: 'init [folder]',
    group: 'Set up',
    summary: 'write a small working pipeline into a folder',
    run: async (names, flags) => (await import('./commands/init.ts')).initCommand(names[0], flags),
  },
  {
    words: 'schema',
    group: 'Set up',
    summary: 'print the JSON Schema of pipeline.yml, for editors',
    run: async () => (await import('./commands/schema.ts')).schemaCommand(),
  },
  {
    words: 'completion [shell]',
    group: 'Set up',
    summary: 'print a script that completes dag in bash, zsh or fish',
    run: async (names, flags) => (await import('./completion.ts')).completionCommand(names[0], flags),
  },
];
