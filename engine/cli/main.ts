#!/usr/bin/env node
// The command line: words in, exit code out. Each command is a file beside this one, loaded when it is asked for.
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { EXIT, UsageError } from './failure.ts';
import type { CommonFlags } from './session.ts';
import { red } from './style.ts';

interface Flags extends CommonFlags {
  force?: boolean;
  only?: boolean;
  keepGoing?: boolean;
  jobs?: number;
  gpus?: number;
  format?: string;
  all?: boolean;
  follow?: boolean;
  now?: boolean;
  last?: number;
  md?: boolean;
  reason?: string;
  rerun?: boolean;
  maxSize?: string;
  maxAge?: string;
  keepRuns?: number;
  dryRun?: boolean;
  pin?: string[];
  unpin?: string[];
  pins?: boolean;
}

const collect = (value: string, before: string[]) => [...before, value];

function wholeNumber(least: number) {
  return (text: string) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw new UsageError(`"${text}" is not a whole number of at least ${least}`);
    return value;
  };
}

function createProgram(finish: (code: number) => void): Command {
  const program = new Command('dag');
  const command = (words: string, summary: string, action: (names: string[], flags: Flags) => Promise<number>) => {
    const made = program
      .command(words)
      .summary(summary)
      .description(summary)
      .option('-C, --directory <dir>', 'work in this folder')
      .option('--file <file>', 'the pipeline file (default: pipeline.yml here or above)')
      .option('--profile <name>', 'overlay this profile of the file')
      .option('--set <name=value>', 'set a parameter, e.g. --set train.epochs=3; may be repeated', collect, [])
      .option('--json', 'print one JSON object on stdout and nothing else');
    made.action(async (...given: unknown[]) => {
      const named = given.slice(0, -2).flat() as (string | undefined)[];
      finish(
        await action(
          named.filter((name) => name !== undefined),
          made.opts<Flags>(),
        ),
      );
    });
    return made;
  };

  program
    .description('Builds what pipeline.yml declares, and only what is stale.')
    .version(VERSION)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(red(text)) });

  command('run [selectors...]', 'build the selected nodes and what they need; all by default', async (names, flags) =>
    (await import('./run.ts')).runCommand(names, flags),
  )
    .option('--force', 'run the selected nodes even when they are fresh')
    .option('--only', 'the selected nodes alone, not what they need')
    .option('-k, --keep-going', 'after a failure, go on with what does not depend on it')
    .option('-j, --jobs <n>', 'core slots: how many single-core nodes run at once (default: cores)', wholeNumber(1))
    .option('--gpus <n>', 'GPUs to use (default: what nvidia-smi finds)', wholeNumber(0));
  command('plan [selectors...]', 'show what run would do, and why, without doing it', async (names, flags) =>
    (await import('./plan.ts')).planCommand(names, flags),
  )
    .option('--force', 'as for run')
    .option('--only', 'as for run');
  command('watch [selectors...]', 'run, and run again after each edit; Ctrl-C ends', async (names, flags) =>
    (await import('./watch.ts')).watchCommand(names, flags),
  )
    .option('-k, --keep-going', 'as for run')
    .option('-j, --jobs <n>', 'as for run', wholeNumber(1))
    .option('--gpus <n>', 'as for run', wholeNumber(0));
  command('status [selectors...]', 'show the state of every node', async (names, flags) =>
    flags.follow
      ? (await import('./follow.ts')).followCommand(flags)
      : (await import('./status.ts')).statusCommand(names, flags),
  ).option('-f, --follow', 'watch the run that goes on in another terminal');
  command('why <node>', 'say why a node is stale, with old and new values', async (names, flags) =>
    (await import('./why.ts')).whyCommand(names[0]!, flags),
  );
  command('accept <nodes...>', 'record that a change of code leaves results valid', async (names, flags) =>
    (await import('./accept.ts')).acceptCommand(names, flags),
  ).option('--reason <text>', 'why; kept and shown for ever');
  command('graph [selectors...]', 'draw the graph', async (names, flags) =>
    (await import('./graph.ts')).graphCommand(names, flags),
  )
    .option('--format <format>', 'text, mermaid, dot or svg', 'text')
    .option('--all', 'every node, not one box a task');
  command('log <node>', "print the log of a node's latest run", async (names, flags) =>
    (await import('./log.ts')).logCommand(names[0]!, flags),
  ).option('-f, --follow', 'print on while the node runs');
  command('stop', 'stop the run that goes on in another terminal, as Ctrl-C there would', async (_, flags) =>
    (await import('./stop.ts')).stopCommand(flags),
  ).option('--now', 'kill its nodes, as pressing Ctrl-C twice would');
  command('history [node]', 'list the runs; for a node, each time it ran and why', async (names, flags) =>
    (await import('./history.ts')).historyCommand(names[0], flags),
  ).option('-n, --last <n>', 'this many, the latest ones', wholeNumber(1));
  command(
    'diff [before] [after]',
    'compare two runs: parameters, code, data and metrics (default: last~1 and last)',
    async (names, flags) => (await import('./diff.ts')).diffCommand(names, flags),
  ).option('--md', 'as Markdown');
  command(
    'clean [selectors...]',
    'remove artifacts from the work tree; the cache keeps their bytes',
    async (names, flags) => (await import('./clean.ts')).cleanCommand(names, flags),
  );
  command('verify [selectors...]', 'hash the store and all artifacts again; set damage aside', async (names, flags) =>
    (await import('./verify.ts')).verifyCommand(names, flags),
  ).option('--rerun', 'run the selected nodes again in scratch, and compare what they make');
  command('gc', 'make the cache smaller', async (_, flags) => (await import('./gc.ts')).gcCommand(flags))
    .option('--max-size <size>', 'drop the longest unused results until the cache fits, e.g. 50GB')
    .option('--max-age <time>', 'drop results that were of no use for so long, e.g. 30d')
    .option('--keep-runs <n>', 'keep what the last n runs had', wholeNumber(0))
    .option('--dry-run', 'only say what would go')
    .option('--pin <run|node>', 'never drop the results of this run, or the present one of this node', collect, [])
    .option('--unpin <run|node>', 'take a pin away', collect, [])
    .option('--pins', 'list the pins');
  command('init [folder]', 'write a small working pipeline into a folder', async (names, flags) =>
    (await import('./init.ts')).initCommand(names[0], flags),
  );
  command('schema', 'print the JSON Schema of pipeline.yml, for editors', async () =>
    (await import('./schema.ts')).schemaCommand(),
  );
  command('completion [shell]', 'print a script that completes dag in bash, zsh or fish', async (names) =>
    (await import('./completion.ts')).completionCommand(names[0]),
  );
  program
    .command('__complete <line>', { hidden: true })
    .option('--word <word>')
    .action(async (line: string, { word }: { word?: string }) => {
      finish(await (await import('./completion.ts')).completeCommand(program, line, word));
    });
  return program;
}

/** Runs one command line and returns its exit code. */
export async function main(words: readonly string[]): Promise<number> {
  let code: number = EXIT.done;
  try {
    await createProgram((value) => {
      code = value;
    }).parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    return explain(error);
  }
}

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    return EXIT.usage;
  }
  process.stderr.write(`${red('internal error')}: ${error instanceof Error ? error.stack : String(error)}\n`);
  return EXIT.failed;
}

declare const DAG_VERSION: string;
const VERSION = typeof DAG_VERSION === 'string' ? DAG_VERSION : 'development';

// `dag plan | head` ends when head has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.done);
});

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
