// What changed between the ingredients that a node last ran with and those it would run with now, as reasons.

import { isDeepStrictEqual } from 'node:util';
import type { Cache, Digest } from '../../cache/index.ts';
import type { Ingredients, InputItem } from '../model/ingredients.ts';
import { own } from '../model/own.ts';
import type { Reason } from '../model/reason.ts';
import { withoutSecrets } from '../model/variables.ts';
import type { Json } from '../task.ts';

const FILES_NAMED = 5;
const ITEMS_NAMED = 5;

export function changes(before: Ingredients, after: Ingredients, cache: Cache): Reason[] {
  return [
    ...codeChanges(before.code, after.code),
    ...paramChanges(before.params, after.params),
    ...mapChanges('environment', withoutSecrets(before.environment), withoutSecrets(after.environment)),
    ...inputChanges(before, after, cache),
    ...mapChanges('code', named(before.outputs), named(after.outputs)),
  ];
}

const named = (outputs: readonly string[]) => Object.fromEntries(outputs.map((name) => [`output ${name}`, 'declared']));

export function codeChanges(before: Ingredients['code'], after: Ingredients['code']): Reason[] {
  if (before.kind === 'shell' && after.kind === 'shell') {
    return before.command === after.command
      ? []
      : [{ kind: 'code', name: 'command', before: before.command, after: after.command }];
  }
  if (before.kind === 'module' && after.kind === 'module') {
    const packages = mapChanges('code', prefixed('package ', before.packages), prefixed('package ', after.packages));
    if (before.digest === after.digest) return packages;
    const assets = mapChanges('code', prefixed('asset ', before.assets ?? {}), prefixed('asset ', after.assets ?? {}));
    const files = [...mapChanges('code', before.files, after.files), ...assets];
    const whole: Reason = { kind: 'code', name: after.path, before: before.digest, after: after.digest };
    return [...(files.length > 0 ? files : [whole]), ...packages];
  }
  return [{ kind: 'code', name: 'task', before: describeCode(before), after: describeCode(after) }];
}

const describeCode = (code: Ingredients['code']) =>
  code.kind === 'shell' ? `run: ${code.command}` : `use: ${code.path}`;

export function prefixed(prefix: string, map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [prefix + name, value]));
}

export function mapChanges(
  kind: 'code' | 'environment',
  before: Readonly<Record<string, string | null>>,
  after: Readonly<Record<string, string | null>>,
): Reason[] {
  return unionOfKeys(before, after)
    .map((name) => ({ kind, name, before: own(before, name) ?? null, after: own(after, name) ?? null }))
    .filter((change) => change.before !== change.after);
}

/** Walks into mappings and lists, so that one changed field of a model is named by its path and not by the whole model. */
function paramChanges(before: Mapping, after: Mapping, prefix = ''): Reason[] {
  return unionOfKeys(before, after).flatMap((name) => valueChanges(prefix + name, own(before, name), own(after, name)));
}

function valueChanges(name: string, old: Json | undefined, now: Json | undefined): Reason[] {
  if (isDeepStrictEqual(old, now)) return [];
  if (isMapping(old) && isMapping(now)) return paramChanges(old, now, `${name}.`);
  if (Array.isArray(old) && Array.isArray(now)) return listChanges(name, old, now);
  const isNull = old === null ? 'before' : now === null ? 'after' : undefined;
  return [{ kind: 'param', name, before: old ?? null, after: now ?? null, ...(isNull ? { isNull } : {}) }];
}

/** The items of a list that were added, taken away or, in one of the same length, changed; the whole of it where they are many. */
function listChanges(name: string, old: readonly Json[], now: readonly Json[]): Reason[] {
  const shorter = Math.min(old.length, now.length);
  let [start, end] = [0, 0];
  while (start < shorter && isDeepStrictEqual(old[start], now[start])) start++;
  while (end < shorter - start && isDeepStrictEqual(old.at(-1 - end), now.at(-1 - end))) end++;
  const [oldPart, newPart] = [old.slice(start, old.length - end), now.slice(start, now.length - end)];
  const areItems = oldPart.length === newPart.length || oldPart.length === 0 || newPart.length === 0;
  const longer = Math.max(oldPart.length, newPart.length);
  const found = Array.from({ length: areItems ? longer : 0 }, (_, at) =>
    valueChanges(`${name}.${start + at}`, oldPart[at], newPart[at]),
  ).flat();
  if (found.length > 0 && found.length <= ITEMS_NAMED) return found;
  return [{ kind: 'param', name, before: [...old], after: [...now] }];
}

type Mapping = { readonly [name: string]: Json };

function isMapping(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inputChanges(before: Ingredients, after: Ingredients, cache: Cache): Reason[] {
  return unionOfKeys(before.inputs, after.inputs).flatMap((role) => {
    const old = byLabel(own(before.inputs, role) ?? []);
    const now = byLabel(own(after.inputs, role) ?? []);
    return unionOfKeys(old, now).flatMap((label) => itemChanges(role, own(old, label), own(now, label), cache));
  });
}

/** An item is known by its axis labels; where several have the same, by its place among them. */
function byLabel(items: readonly InputItem[]): Record<string, InputItem> {
  const seen = new Map<string, number>();
  const labelled = items.map((item): [string, InputItem] => {
    const before = seen.get(item.axes) ?? 0;
    seen.set(item.axes, before + 1);
    return [`${item.axes}#${before}`, item];
  });
  return Object.fromEntries(labelled);
}

function itemChanges(role: string, old: InputItem | undefined, now: InputItem | undefined, cache: Cache): Reason[] {
  if (!old || !now)
    return [{ kind: 'input', name: (now ?? old)!.path, before: old?.digest ?? null, after: now?.digest ?? null }];
  if (old.digest === now.digest && old.kind === now.kind) return [];
  const whole: Reason = { kind: 'input', name: now.path, before: old.digest, after: now.digest };
  const diff =
    old.kind === 'folder' && now.kind === 'folder'
      ? cache.diff(old.digest as Digest, now.digest as Digest, FILES_NAMED)
      : null;
  if (!diff) return [whole];
  const files = diff.changes.map(
    ({ path: file, before, after }): Reason => ({ kind: 'input', name: `${now.path}/${file}`, before, after }),
  );
  const rest = diff.total - files.length;
  return rest > 0
    ? [...files, { kind: 'input', name: `${now.path} (${role})`, before: null, after: `${rest} more files` }]
    : files;
}

function unionOfKeys(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])];
}
