// Files and folders that code names by its own place, `new URL('./table.csv', import.meta.url)`: their content is a part of the code.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HERE } from './bundle.ts';

export interface Assets {
  /** Absolute paths, there or not. */
  readonly places: readonly string[];
  /** For the user. */
  readonly warnings: readonly string[];
}

const LITERAL = String.raw`(["'\`])((?:(?!\1)[^\\\n$])*)\1`;
const NAMED = new RegExp(
  String.raw`\bnew URL\(\s*${LITERAL}\s*,\s*${HERE}\.url\s*\)|\b${HERE}\.resolve\(\s*(["'\`])(\.{0,2}/(?:(?!\3)[^\\\n$])*)\3\s*\)`,
  'g',
);
const NAMELESS = new RegExp(String.raw`\bnew URL\((?!\s*${LITERAL}\s*,)[^;\n]*?,\s*${HERE}\.url\s*\)`);

/** `code`: the part of a bundle that is of `file`, a path relative to the root. */
export function assetsOf(root: string, file: string, code: string): Assets {
  const source = path.resolve(root, file);
  const places = [...code.matchAll(NAMED)].flatMap(([, , url, , resolved]) => placeOf(source, (url ?? resolved)!));
  const warnings = places.filter(importsOthers).map((place) => {
    const name = path.relative(root, place);
    return `${file} names ${name}: that file is in the key, what it imports is not`;
  });
  if (NAMELESS.test(code))
    warnings.push(
      `${file} names a file beside it that is only known when it runs: its content is not in the key; write the name out, or declare the file in \`in:\``,
    );
  return { places, warnings };
}

/** A folder in which the code itself lies is no more than a place. */
function placeOf(source: string, name: string): string[] {
  const url = URL.canParse(name, pathToFileURL(source).href) ? new URL(name, pathToFileURL(source)) : null;
  if (url?.protocol !== 'file:') return [];
  const place = fileURLToPath(url).replace(/(?<=.)\/$/, '');
  return `${source}/`.startsWith(`${place}/`) ? [] : [place];
}

/** A program for a thread, say. */
function importsOthers(place: string): boolean {
  if (!/\.[cm]?[jt]s$/.test(place)) return false;
  try {
    return /(?:\bfrom|\bimport|\brequire)\s*\(?\s*["'`]\.{1,2}\//.test(readFileSync(place, 'utf8'));
  } catch {
    return false;
  }
}
