// Which variables of the caller's environment a node's key has: those that it declares by `env:`, and those that the text of its command
// names and that the caller has set, but for the machine's own (environment.ts). Quotes are not looked at, since `sh -c '…$A'` uses
// what they hold: a name too many costs a rerun for who has set it, and one too few a wrong result without a word.
// Imports nothing of the cache: a run without work is told by it, too.

import { createHash } from 'node:crypto';
import { isMachines } from './environment.ts';
import type { Node } from './node.ts';
import { own } from './own.ts';

type Named = Pick<Node, 'env' | 'action'>;

/** What is in the key; null where a declared variable is not set. */
export function callersVariables(node: Named, environment = process.env): Record<string, string | null> {
  const named = namedBy(node).filter((name) => variable(name, environment) !== null);
  return Object.fromEntries([...node.env, ...named].map((name) => [name, variable(name, environment)]));
}

/** Null where it is not set. */
export const variable = (name: string, environment = process.env): string | null => own(environment, name) ?? null;

/** Names whose values, or want of one, may be in the node's key. */
export const mayCount = (node: Named): string[] => [...node.env, ...namedBy(node)];

/** Variables that the command gives a value of its own before it uses them: the caller's is not to reach it, nor the programs in it. */
export function ownVariables({ env, action }: Named): string[] {
  if (action.kind === 'module') return [];
  return [...ownIn(action.command)].filter((name) => !env.includes(name) && !isMachines(name));
}

function namedBy({ env, action }: Named): string[] {
  if (action.kind === 'module') return [];
  const others = new Set([...env, ...ownIn(action.command)]);
  return [...usedIn(action.command)].filter((name) => !others.has(name) && !isMachines(name));
}

/** Arithmetic and other languages name a variable without a dollar: then every word may be one. */
const WITHOUT_DOLLAR = /\(\(|printenv|environ|getenv|process\.env/i;

function usedIn(command: string): Set<string> {
  const pattern = WITHOUT_DOLLAR.test(command) ? /()\b([A-Za-z_]\w*)/g : /\$(\{[#!]?)?([A-Za-z_]\w*)/g;
  return new Set([...command.replaceAll('\\\n', '').matchAll(pattern)].map(([, , name]) => name!));
}

const START = String.raw`(?:^|[;&|{\n]|\b(?:then|do|else)\s)\s*`;
const VALUE = String.raw`(?:"(?:[^"\\]|\\.)*"|'[^']*'|\$\([^()]*\)|[^\s;&|()"'])*`;
/** A statement that is nothing but an assignment; after `||` it is a default. */
const ASSIGNED = String.raw`(?<!\|\s*)(?:export\s+|readonly\s+)?([A-Za-z_]\w*)=${VALUE}[ \t]*(?=[;|)}\n]|&&|$)`;
const LOOPED = String.raw`(?:for|(?:(?:while|until|if)\s+)?(?:IFS=\S*\s+)?read(?:\s+-r)?)\s+([A-Za-z_]\w*)(?![^\s;])`;
const OWN = new RegExp(`${START}(?:${ASSIGNED}|${LOOPED})`, 'g');

/** What looks like it and is none, as in a string, does a result no harm: the caller's value does not reach it either way. */
function ownIn(command: string): Set<string> {
  const own = new Set<string>();
  for (const found of command.matchAll(OWN)) {
    const name = found[1] ?? found[2]!;
    const before = command.slice(0, found.index) + found[0].replace(name, '');
    if (!usedIn(before).has(name)) own.add(name);
  }
  return own;
}

/** As it is recorded and shown. */
export function withoutSecrets(environment: Readonly<Record<string, string | null>>): Record<string, string | null> {
  const shown = (name: string, value: string | null) =>
    value === null || !SECRET.test(name) || DIGEST.test(value)
      ? value
      : `sha256:${createHash('sha256').update(value).digest('hex').slice(0, 12)}`;
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, shown(name, value)]));
}

/** A tool, which has a space in its name here, is none. */
const SECRET = /^\w*(?:TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|KEY)\w*$/i;
const DIGEST = /^sha256:[0-9a-f]{12}$/;
