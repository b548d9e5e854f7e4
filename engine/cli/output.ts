// Output that cannot be written: a full disk, a closed pager, a terminal that is gone. It ends printing, never the command: what a
// run did is in its journal. What was asked for on stdout and did not arrive whole is told by the exit code too.
import { closeSync, fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { red } from '../text/style.ts';
import { EXIT } from './exit.ts';

const unheard = new Set<NodeJS.WriteStream>();

/** False once nothing can be written there: for who prints until something else ends. */
export const isHeard = (stream: NodeJS.WriteStream) => !unheard.has(stream);

/** Those of stdin, stdout and stderr that were a terminal at the start. */
const terminals = [0, 1, 2].filter((fd) => isatty(fd));

export const hasTerminal = terminals.length > 0;

/** To be called once, before anything is printed. */
export function guardOutput(): void {
  const { stdout, stderr } = process;
  let lost = false;
  stderr.on('error', () => unheard.add(stderr));
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    unheard.add(stdout);
    // `dag status | head`: who reads has seen enough.
    if (lost || error.code === 'EPIPE' || error.code === 'ECONNRESET') return;
    lost = true;
    stderr.write(`${red('error')}: not all output could be written to stdout: ${error.message}\n`);
  });
  if (fstatSync(1).isFile()) stdout._write = writeWhole;
  process.on('exit', (code) => {
    if (lost && code === EXIT.done) process.exitCode = EXIT.failed;
    leaveTerminals();
  });
}

/** Node's own does not look at how much was taken: on a disk that is filling up the rest would be lost without a word. */
function writeWhole(bytes: Uint8Array, _: string, done: (error?: Error | null) => void): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
  } catch (error) {
    return done(error as Error);
  }
  done();
}

/** Node ends with an abort where it cannot give a terminal back its settings, as when that is gone: the exit code would be lost. */
function leaveTerminals(): void {
  for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
}
