// What the environment of a task's process is: the engine's own, but for language and time zone, which are the same for whoever
// runs it. A task that wants the caller's declares them by `env:`, where they are in its key.

/** Names to values; null: not set. */
export type Changes = Readonly<Record<string, string | null>>;

/** macOS has no C.UTF-8; musl has no other. */
const LOCALE: Changes =
  process.platform === 'darwin' ? { LANG: 'C', LC_CTYPE: 'UTF-8' } : { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' };

const isFixed = (name: string): boolean => name === 'TZ' || isLocale(name);
const isLocale = (name: string) => /^(?:LANG|LANGUAGE|LC_\w+)$/.test(name);

const OF_THE_MACHINE = new Set([
  ...['HOME', 'USER', 'LOGNAME', 'HOSTNAME', 'PWD', 'OLDPWD', 'SHELL', 'TMPDIR', 'TMP', 'TEMP', 'PATH'],
  ...['TERM', 'COLUMNS', 'LINES', 'DISPLAY', 'SSH_AUTH_SOCK'],
  ...['SHLVL', 'IFS', 'ENV', 'PS1', 'PS2', 'PS4', 'PPID', 'UID', 'EUID', 'RANDOM', 'SECONDS', 'LINENO', '_'],
  // Ours: see run/process.ts.
  ...['CUDA_VISIBLE_DEVICES', 'CUDA_DEVICE_ORDER', 'UV_THREADPOOL_SIZE'],
]);

/**
 * Whether a variable is in no key where it is not declared: it is the same for all, ours, or the machine's and the session's. Where things
 * lie and who is logged in differs between two callers of one result; PATH says which tools there are, whose versions `tools:` asks.
 */
export const isMachines = (name: string): boolean =>
  OF_THE_MACHINE.has(name) || /^(?:DAG|XDG)_/.test(name) || isFixed(name);

/** Of a task that declares nothing. */
export function taskEnvironment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !isFixed(name));
  return { ...Object.fromEntries(others), ...LOCALE, TZ: 'UTC' };
}

/** What of that is otherwise for a task that declares these names: LC_ALL would hide any other of a language. */
export function declaredChanges(names: readonly string[]): Changes {
  const given = names.filter(isFixed).map((name) => [name, process.env[name] ?? null] as const);
  return { ...(names.some(isLocale) ? { LC_ALL: null } : {}), ...Object.fromEntries(given) };
}

/** For `spawn`, which leaves out what is undefined. */
export function withChanges(environment: NodeJS.ProcessEnv, changes: Changes): NodeJS.ProcessEnv {
  const all = Object.entries(changes).map(([name, value]) => [name, value ?? undefined]);
  return { ...environment, ...Object.fromEntries(all) };
}
