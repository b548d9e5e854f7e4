#!/usr/bin/env node
// The command line: words in, exit code out. Commands are listed in `table.ts`, each done by a file of `commands/`.
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { UsageError } from '../project/usageError.ts';
import { red } from '../text/style.ts';
import { EXIT } from './exit.ts';
import { guardOutput } from './output.ts';
import { ignoreHangup } from './signals.ts';
import { COMMANDS, COMMON_OPTIONS, type CommandSpec, type Flags, type OptionSpec } from './table.ts';

const WIDTH = 100;

/** With all commands, or the one that is meant alone: making the others takes a few milliseconds. */
function createProgram(word: string | undefined, finish: (code: number) => void): Command {
  const program = new Command('dag')
    .description('Builds what pipeline.yml declares, and only what is stale.')
    .usage('COMMAND [options]')
    .version(DAG_VERSION)
    .helpOption('-h, --help', 'this page; `dag COMMAND --help` says more')
    .showSuggestionAfterError()
    .showHelpAfterError('  `dag --help` lists the commands')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(red(text)), getOutHelpWidth: helpWidth })
    .configureHelp({ subcommandTerm: (command) => command.name() });
  const meant = COMMANDS.filter(({ words }) => words.split(' ')[0] === word);
  for (const spec of meant.length > 0 ? meant : COMMANDS) addCommand(program, spec, finish);
  program.commandsGroup('Set up:').helpCommand('help [command]', 'the page of a command');
  program
    .command('__complete <line>', { hidden: true })
    .option('--word <word>')
    .action(async (line: string, { word }: { word?: string }) => {
      finish(await (await import('./completion.ts')).completeCommand(program, line, word));
    });
  return program;
}

function addCommand(program: Command, spec: CommandSpec, finish: (code: number) => void): void {
  const [name = ''] = spec.words.split(' ');
  const command = program
    .command(spec.words)
    .helpGroup(`${spec.group}:`)
    .summary(spec.summary)
    .description(`${capital(spec.summary)}.${spec.about ? `\n\n${flowing(spec.about)}` : ''}`)
    .usage(`${spec.words.slice(name.length + 1)} [options]`.trim())
    .showHelpAfterError(`  \`dag ${name} --help\` says how`);
  addOptions(command.optionsGroup('Options:'), spec.options ?? []);
  addOptions(command.optionsGroup('Common options:').helpOption('-h, --help', 'this page'), COMMON_OPTIONS);
  if (spec.examples) command.addHelpText('after', examplesText(spec.examples));
  command.action(async (...given: unknown[]) => {
    const named = given.slice(0, -2).flat() as (string | undefined)[];
    const names = named.filter((word) => word !== undefined);
    finish(await spec.run(names, { ...command.opts<Flags>(), set: command.opts<Partial<Flags>>().set ?? [] }));
  });
}

function addOptions(command: Command, options: readonly OptionSpec[]): void {
  for (const { flags, help, parse } of options) {
    if (parse) command.option(flags, help, parse);
    else command.option(flags, help);
  }
}

function examplesText(examples: CommandSpec['examples'] & object): string {
  const width = Math.max(...examples.map(([line]) => line.length));
  return `\nExamples:\n${examples.map(([line, does]) => `  ${line.padEnd(width)}  ${does}`).join('\n')}`;
}

/** Lines of the source that end within a sentence are one line of the page, to be wrapped by its width. */
const flowing = (text: string) => text.replace(/([^.])\n/g, '$1 ');
const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);

function helpWidth(): number {
  return Math.min(process.stdout.columns ?? WIDTH, WIDTH);
}

/** Runs one command line and returns its exit code. */
export async function main(words: readonly string[]): Promise<number> {
  let code: number = EXIT.done;
  try {
    const finish = (value: number) => {
      code = value;
    };
    await createProgram(words[0], finish).parseAsync(words.length > 0 ? words : ['--help'], { from: 'user' });
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
  if (error instanceof Error && MENDABLE.has(error.name)) {
    process.stderr.write(`${red('error')}: ${error.message}\n`);
    return EXIT.usage;
  }
  if (isMachineTrouble(error)) {
    process.stderr.write(`${red('error')}: ${(error as Error).message}\n`);
    return EXIT.failed;
  }
  process.stderr.write(`${red('internal error')}: ${error instanceof Error ? error.stack : String(error)}\n`);
  return EXIT.failed;
}

/** By their names: cache and run are not loaded for those who do without. */
const MENDABLE = new Set(['Unhashable', 'IndexInUse', 'CannotEnd']);

const MACHINE_TROUBLE = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO', 'ENOMEM', 'EMFILE']);

/** A full or read-only disk is no defect of ours: its message says all. */
function isMachineTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, cause } = error as NodeJS.ErrnoException;
  return MACHINE_TROUBLE.has(code ?? '') || isMachineTrouble(cause);
}

/** Of engine/package.json, by build.mjs. */
declare const DAG_VERSION: string;

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  guardOutput();
  ignoreHangup();
  process.exitCode = await main(process.argv.slice(2));
}
