// What JSON would change in a value without a word: found before the value is written, and told by where it stands. Items and
// results of `ctx.each` outlive the process as JSON; and what an item is made of, JSON has to tell apart.

/** Throws an error without a stack: where it was found says nothing of where it was made. `name`: what the value is. */
export function refuseUnsayable(name: string, value: unknown): void {
  const found = find(value, []);
  if (!found) return;
  const message = `${name}${found.path} is ${found.what}, which JSON cannot keep: plain data is wanted`;
  throw Object.assign(new TypeError(message), { stack: message });
}

interface Unsayable {
  readonly path: string;
  readonly what: string;
}

/** The first that there is. A list and a mapping may not be inside themselves: `above` are those around the value. */
function find(value: unknown, above: object[]): Unsayable | null {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null;
    case 'number': // -0 is kept as 0, which it equals.
      return Number.isFinite(value) ? null : { path: '', what: String(value) };
    case 'undefined':
      return { path: '', what: 'undefined' };
    case 'object':
      return value === null ? null : findIn(value, above);
    default:
      return { path: '', what: `a ${typeof value}` };
  }
}

function findIn(value: object, above: object[]): Unsayable | null {
  if (above.includes(value)) return { path: '', what: 'a value that contains itself' };
  above.push(value);
  const found = Array.isArray(value) ? findInList(value, above) : findInMapping(value, above);
  above.pop();
  return found;
}

function findInList(list: readonly unknown[], above: object[]): Unsayable | null {
  for (let at = 0; at < list.length; at++) {
    const found = find(list[at], above);
    if (found) return { path: `[${at}]${found.path}`, what: found.what };
  }
  return null;
}

function findInMapping(value: object, above: object[]): Unsayable | null {
  const prototype = Object.getPrototypeOf(value) as object | null;
  // An object of another realm has that realm's Object.prototype, which is the end of its chain as well.
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null)
    return { path: '', what: `a ${value.constructor?.name || 'class instance'}` };
  if (Object.getOwnPropertySymbols(value).length > 0) return { path: '', what: 'a mapping with symbols for keys' };
  // Nothing is inherited here, and this is twice as fast as a list of the keys.
  for (const key in value) {
    const found = find((value as Record<string, unknown>)[key], above);
    if (found)
      return { path: (IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`) + found.path, what: found.what };
  }
  return null;
}

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
