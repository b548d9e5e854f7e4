// What tsconfig.json says of the imports in a folder. esbuild reads it by itself, for the digest and to run, so that whatever of it
// changes a bundle is in the key. This tells the rest: which files say so, there or not, to see a change of theirs, and the places
// that `paths` and `baseUrl` give a name, to see what comes to lie there, and to tell a name that leads nowhere.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { nodeModules } from './nodeModules.ts';

export interface Tsconfig {
  /** Absolute paths of all that says what this config is: files, and places where another would take their part. */
  readonly files: readonly string[];
  /** Absolute places that a name may mean, best first; none where it means a package alone. */
  meant(specifier: string): Meant;
}

export interface Meant {
  readonly places: readonly string[];
  /** The pattern of `paths` that it matches, if that is no catch-all. */
  readonly pattern: string | null;
}

/** The config of a folder (absolute). One reader looks at each file once. */
export function tsconfigReader(): (folder: string) => Tsconfig {
  const known = new Map<string, Tsconfig>();
  return (folder) => {
    const found = known.get(folder) ?? configOf(folder);
    known.set(folder, found);
    return found;
  };
}

const NAMES = ['tsconfig.json', 'jsconfig.json'];

function configOf(start: string): Tsconfig {
  const files: string[] = [];
  for (let folder = start; ; folder = path.dirname(folder)) {
    for (const name of NAMES) {
      const file = path.join(folder, name);
      if (isFile(file)) {
        const settings = settingsOf(file, folder, []);
        return { files: [...files, ...settings.files], meant: (specifier) => meantBy(settings, specifier) };
      }
      files.push(file);
    }
    if (folder === path.dirname(folder)) return { files, meant: () => ({ places: [], pattern: null }) };
  }
}

interface Settings {
  readonly files: readonly string[];
  readonly baseUrl?: string;
  /** Patterns to absolute places, which may have a `*`. */
  readonly paths?: Readonly<Record<string, readonly string[]>>;
}

interface Json {
  readonly extends?: string | readonly string[];
  readonly compilerOptions?: {
    readonly baseUrl?: string;
    readonly paths?: Readonly<Record<string, readonly string[]>>;
  };
}

/** What does not read is left out: esbuild tells of it. `home`: the folder of the config that extends all others. */
function settingsOf(file: string, home: string, above: readonly string[]): Settings {
  const json = parse(file);
  const folder = path.dirname(file);
  const files = [file];
  let inherited: Omit<Settings, 'files'> = {};
  for (const name of [json.extends ?? []].flat()) {
    const candidates = basesOf(folder, name);
    const found = candidates.findIndex(isFile);
    const base = candidates[found];
    files.push(...candidates.slice(0, found < 0 ? undefined : found));
    if (base === undefined || base === file || above.includes(base)) continue;
    const { files: more, ...settings } = settingsOf(base, home, [...above, file]);
    files.push(...more);
    inherited = { ...inherited, ...settings };
  }
  const { baseUrl, paths } = json.compilerOptions ?? {};
  const place = (from: string, name: string) => path.resolve(from, name.replace('${configDir}', home));
  const base = baseUrl === undefined ? inherited.baseUrl : place(folder, baseUrl);
  const own = Object.entries(paths ?? {}).map(([pattern, places]) => [
    pattern,
    places.map((one) => place(base ?? folder, one)),
  ]);
  return {
    files,
    ...inherited,
    ...(base === undefined ? {} : { baseUrl: base }),
    ...(paths ? { paths: Object.fromEntries(own) } : {}),
  };
}

/** Where a config that is extended may lie. */
function basesOf(folder: string, name: string): string[] {
  const spellings = (place: string) => [place, `${place}.json`, path.join(place, 'tsconfig.json')];
  if (/^\.{0,2}\//.test(name)) return spellings(path.resolve(folder, name));
  return [...nodeModules(folder)].flatMap((modules) => {
    const place = path.join(modules, name);
    const { tsconfig } = parse(path.join(place, 'package.json')) as { tsconfig?: string };
    return [...(tsconfig === undefined ? [] : [path.join(place, tsconfig)]), ...spellings(place)];
  });
}

/** A name as it is before patterns, of which the one with the longest beginning counts. */
function meantBy({ baseUrl, paths = {} }: Settings, specifier: string): Meant {
  const fits = (pattern: string) => {
    const [before = '', after] = pattern.split('*');
    if (after === undefined) return specifier === pattern;
    const isLong = specifier.length >= before.length + after.length;
    return isLong && specifier.startsWith(before) && specifier.endsWith(after);
  };
  const weight = (pattern: string) => (pattern.includes('*') ? pattern.indexOf('*') : Number.POSITIVE_INFINITY);
  const [pattern] = Object.keys(paths)
    .filter(fits)
    .sort((a, b) => weight(b) - weight(a));
  const [before = '', after = ''] = pattern?.split('*') ?? [];
  const star = specifier.slice(before.length, specifier.length - after.length);
  // A file of types is of a package.
  const mapped = (paths[pattern ?? ''] ?? [])
    .filter((place) => !/\.d\.[cm]?ts$/.test(place))
    .map((place) => place.replace('*', () => star));
  return {
    places: baseUrl === undefined ? mapped : [...mapped, path.resolve(baseUrl, specifier)],
    pattern: pattern === '*' || mapped.length === 0 ? null : (pattern ?? null),
  };
}

const isFile = (place: string) => statSync(place, { throwIfNoEntry: false })?.isFile() ?? false;

/** With comments, and commas before a closing bracket. */
function parse(file: string): Json {
  try {
    const text = readFileSync(file, 'utf8').replace(NOT_JSON, (found) => (found[0] === '"' ? found : ''));
    return JSON.parse(text.replace(/^\uFEFF/, '')) ?? {};
  } catch {
    return {};
  }
}

/** Strings too, so that nothing inside of one is taken for it. */
const NOT_JSON = /"(?:\\.|[^"\\])*"|\/\/.*|\/\*[\s\S]*?\*\/|,(?=(?:\s|\/\/.*|\/\*[\s\S]*?\*\/)*[}\]])/g;
