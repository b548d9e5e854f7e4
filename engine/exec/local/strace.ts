// strace: whether it works here, how a command is run under it, and what its report says of the files that were used.
//
// A report is a line a call, in time's order, the process in front (`-f`), with descriptors spelled out (`-y`):
//   583  openat(AT_FDCWD</project>, "data/a.csv", O_RDONLY) = 3</project/data/a.csv>
// A call during which another process had a line is in two: `… <unfinished ...>` and `<... openat resumed>…`.
import { spawnSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fail, ok, type Result } from '../../model/result.ts';
import type { Use } from '../declared.ts';

/** What stands before a command to trace it, but for the file that the report goes to. */
export type Strace = readonly string[];

export interface FileUse {
  readonly use: Use;
  /** Absolute, as the program named it. */
  readonly named: string;
  /** What was opened, behind symbolic links, where the report says. */
  readonly real: string | null;
  /** Made anew: what lay there before does not matter. */
  readonly isNew: boolean;
}

/** With `?`: not every processor has it. `stat` and its like are left out: nothing is read by them. */
const OPENING = ['?open', 'openat', '?openat2', '?creat', 'execve', '?execveat', 'truncate'];
const MOVING = ['?rename', '?renameat', 'renameat2', '?link', 'linkat', '?symlink', 'symlinkat', '?mkdir', 'mkdirat'];
/** By which it is known where a relative path begins. */
const PLACING = ['chdir', 'fchdir', 'clone', '?clone3', '?fork', '?vfork'];
const WORDS = [
  'strace',
  '-f',
  '-y',
  '-qq',
  '-e',
  `trace=${[...OPENING, ...MOVING, ...PLACING].join(',')}`,
  '-e',
  'signal=none',
];
/** Stops a process at these calls alone (strace 5.3, Linux 4.14). */
const FILTER = '--seccomp-bpf';

export function findStrace(): Result<Strace, string> {
  if (process.platform !== 'linux') return fail('--trace watches shell commands with strace, which needs Linux');
  let trouble = '';
  for (const words of [[...WORDS, FILTER], WORDS]) {
    const { status, error, stderr } = spawnSync(words[0]!, [...words.slice(1), '-o', '/dev/null', 'true'], {
      encoding: 'utf8',
    });
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT')
      return fail(
        '--trace watches shell commands with strace, which is not installed\n  Debian, Ubuntu: apt-get install strace; Fedora: dnf install strace',
      );
    if (status === 0) return ok(words);
    trouble = error?.message ?? stderr.trim().split('\n')[0] ?? '';
  }
  return fail(
    `--trace: strace does not work here: ${trouble}\n  a container needs the right to trace: --cap-add=SYS_PTRACE`,
  );
}

/** The files that a traced command used, in order. `root`: where it was started. */
export async function* readReport(file: string, root: string): AsyncGenerator<FileUse> {
  const reader = createReader(root);
  for await (const line of createInterface({ input: createReadStream(file, 'latin1') })) yield* reader.take(line);
  yield* reader.rest();
}

function createReader(root: string) {
  const places = new Map<string, string>();
  const begun = new Map<string, string>();
  // Lines of a process whose parent's call has not returned yet: where it was started is not known.
  const early = new Map<string, string[]>();

  function* take(line: string): Generator<FileUse> {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (places.size === 0) places.set(pid, root);
    const here = places.get(pid);
    if (here === undefined) {
      early.set(pid, [...(early.get(pid) ?? []), line]);
      return;
    }
    const call = wholeCall(pid, text, begun);
    const parsed = call === null ? null : parseCall(call);
    if (!parsed) return;
    if (parsed.name === 'chdir' || parsed.name === 'fchdir') places.set(pid, placeAfter(parsed, here));
    else if (/^(?:clone3?|v?fork)$/.test(parsed.name)) yield* start(parsed.result, here);
    else yield* usesOf(parsed, here);
  }

  function* start(pid: string, place: string): Generator<FileUse> {
    places.set(pid, place);
    const lines = early.get(pid) ?? [];
    early.delete(pid);
    for (const line of lines) yield* take(line);
  }

  return {
    take,
    /** Of processes whose start the report does not tell. */
    *rest(): Generator<FileUse> {
      for (const pid of [...early.keys()]) yield* start(pid, root);
    },
  };
}

/** Null while the call is not over. */
function wholeCall(pid: string, text: string, begun: Map<string, string>): string | null {
  const cut = text.indexOf(' <unfinished ...>');
  if (cut >= 0) {
    begun.set(pid, text.slice(0, cut));
    return null;
  }
  const resumed = /^<\.\.\. \w+ resumed>/.exec(text);
  return resumed ? (begun.get(pid) ?? '') + text.slice(resumed[0].length) : text;
}

interface Call {
  readonly name: string;
  readonly words: string;
  /** Paths in the order of the call, each with the folder that it is relative to, where the call says. */
  readonly paths: readonly { readonly from: string | null; readonly text: string }[];
  readonly result: string;
  /** What the resulting descriptor is of. */
  readonly opened: string | null;
}

const TEXT = String.raw`(?:[^"\\]|\\.)*`;
const PLACE = String.raw`(?:[^<>\\]|\\.)*`;
const PATHS = new RegExp(`(?:(?:AT_FDCWD|\\d+)<(${PLACE})>, )?"(${TEXT})"`, 'g');

/** Null for one that failed. */
function parseCall(text: string): Call | null {
  const [, name = '', words = '', result = '', opened = ''] = /^(\w+)\((.*)\)? += (\d+)(?:<(.*)>)?/.exec(text) ?? [];
  if (name === '') return null;
  const paths = [...words.matchAll(PATHS)].map(([, from, inner = '']) => ({
    from: from === undefined ? null : unescaped(from),
    text: unescaped(inner),
  }));
  return { name, words, paths, result, opened: opened.startsWith('/') ? unescaped(opened) : null };
}

function placeAfter({ name, words, paths }: Call, here: string): string {
  if (name === 'chdir') return path.resolve(here, paths[0]?.text ?? '.');
  return unescaped(/^\d+<(.*)>/.exec(words)?.[1] ?? here);
}

function* usesOf({ name, words, paths, opened }: Call, here: string): Generator<FileUse> {
  const [first, second] = paths.map(({ from, text }) => path.resolve(from ?? here, text));
  if (first === undefined) return;
  const use = (kind: Use, named: string, real: string | null = null, isNew = false) => ({
    use: kind,
    named,
    real,
    isNew,
  });
  if (name.startsWith('open') || name === 'creat') {
    if (/\bO_PATH\b/.test(words)) return;
    const writes = name === 'creat' || /\bO_(?:WRONLY|RDWR)\b/.test(words);
    yield use(
      writes ? 'writes' : 'reads',
      first,
      opened,
      writes && (name === 'creat' || /\bO_(?:TRUNC|EXCL)\b/.test(words)),
    );
  } else if (name.startsWith('exec')) yield use('reads', first);
  else if (name === 'truncate') yield use('writes', first);
  else if (name.startsWith('mkdir')) yield use('writes', first, null, true);
  else if (name.startsWith('symlink')) yield use('writes', second ?? first, null, true);
  else {
    yield use('reads', first);
    if (second !== undefined) yield use('writes', second, null, true);
  }
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12 };

/** strace writes what is not plain ASCII in a path as C does. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  for (const [, octal, letter, plain] of text.matchAll(/\\([0-7]{1,3})|\\(.)|([^\\])/g)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (letter !== undefined) bytes.push(ESCAPES[letter] ?? letter.charCodeAt(0));
    else bytes.push(plain!.charCodeAt(0));
  }
  return Buffer.from(bytes).toString('utf8');
}
