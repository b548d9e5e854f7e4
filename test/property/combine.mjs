// What every task of a random project does, in plain JavaScript so that a shell command can run it: reads its inputs from
// the disk and writes an output that depends on them, on its parameter and on the version of its code.
//   node combine.mjs SPEC KEY PARAM OUTPUT INPUT…
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Texts by relative path; a file's is the empty one. */
export function readTree(place) {
  if (!statSync(place).isDirectory()) return { '': readFileSync(place, 'utf8') };
  const files = readdirSync(place, { recursive: true }).filter((name) => statSync(path.join(place, name)).isFile());
  return Object.fromEntries(files.sort().map((name) => [name, readFileSync(path.join(place, name), 'utf8')]));
}

/** A lossy task sees one bit of each input, so that most edits stop at it. */
export function combine({ name, version, lossy, folder }, label, param, trees) {
  const seen = lossy ? trees.map((tree) => JSON.stringify(tree).length % 2) : trees;
  const text = createHash('sha256').update(JSON.stringify([name, version, label, param, seen])).digest('hex');
  // Some outputs are small enough for the index of the cache, and some are not.
  const long = (number) => `${text} ${number}\n`.repeat(version % 2 === 0 ? 1 : 100);
  return folder ? { [`a${text[0]}`]: long(0), [`b/${text[1]}`]: long(1), c: text[2] } : { '': long(0) };
}

export function writeTree(place, tree) {
  for (const [name, text] of Object.entries(tree)) writeFile(place, name, text);
}

export function writeFile(place, name, text) {
  const file = name === '' ? place : path.join(place, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

export function work(spec, label, param, output, inputs) {
  writeTree(output, combine(spec, label, param, inputs.map(readTree)));
}

if (process.argv[1] !== undefined && path.basename(process.argv[1]) === 'combine.mjs') {
  const [spec, label, param, output, ...inputs] = process.argv.slice(2);
  work(JSON.parse(spec), label, Number(param), output, inputs);
}
