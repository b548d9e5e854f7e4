// Damage for DICOM files, of the kinds that disks, networks and careless writers do, and of those that a parser fears. Seeded.
import type { Random } from '../../tasks/phantom/random.ts';

/** A copy with one to four kinds of damage. `other` is a file to take pieces from. */
export function mutate(file: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(file);
  for (let rounds = 1 + below(random, 4); rounds > 0; rounds--) {
    bytes = MUTATIONS[below(random, MUTATIONS.length)]!(bytes, other, random);
  }
  return bytes;
}

type Mutation = (bytes: Uint8Array, other: Uint8Array, random: Random) => Uint8Array;

const HEADER_BYTES = 1200;
/** Lengths and counts that were off by one somewhere, some day. */
const FEARED = [
  0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0xfffe, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];
const VRS = [
  'AE',
  'AT',
  'DS',
  'FD',
  'FL',
  'IS',
  'LO',
  'OB',
  'OD',
  'OF',
  'OL',
  'OV',
  'OW',
  'PN',
  'SQ',
  'SS',
  'SV',
  'UC',
  'UN',
  'UR',
  'US',
  'UT',
  'UV',
  'zz',
  '\0\0',
  '??',
];

const below = (random: Random, count: number) => Math.floor(random() * count);
/** Mostly within the header, where damage means something. */
const place = (bytes: Uint8Array, random: Random) =>
  below(random, random() < 0.8 ? Math.min(bytes.length, HEADER_BYTES) : bytes.length);

const flip: Mutation = (bytes, _, random) => {
  for (let count = 1 + below(random, 16); count > 0; count--) bytes[place(bytes, random)] = below(random, 256);
  return bytes;
};

const cut: Mutation = (bytes, _, random) =>
  bytes.slice(0, random() < 0.5 ? place(bytes, random) : below(random, bytes.length));

const feared: Mutation = (bytes, _, random) => {
  const at = place(bytes, random);
  const wide = random() < 0.5;
  if (at + 4 > bytes.length) return bytes;
  const view = new DataView(bytes.buffer);
  const value = FEARED[below(random, FEARED.length)]!;
  if (wide) view.setUint32(at, value, random() < 0.8);
  else view.setUint16(at, value & 0xffff, random() < 0.8);
  return bytes;
};

/** Takes an element's place in explicit syntaxes: two capital letters with a tag before them. */
const vr: Mutation = (bytes, _, random) => {
  const start = place(bytes, random);
  for (let at = start; at + 8 < bytes.length && at < start + 200; at++) {
    const isVr = isCapital(bytes[at + 4]) && isCapital(bytes[at + 5]);
    if (!isVr) continue;
    const name = VRS[below(random, VRS.length)]!;
    bytes[at + 4] = name.charCodeAt(0);
    bytes[at + 5] = name.charCodeAt(1);
    break;
  }
  return bytes;
};

const isCapital = (byte: number | undefined) => byte !== undefined && byte >= 65 && byte <= 90;

/** Sequences within sequences, seldom closed, before the pixels or anywhere. */
const nest: Mutation = (bytes, _, random) => {
  const depth = 1 + below(random, random() < 0.05 ? 20_000 : 40);
  const explicit = [0x08, 0x00, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xff, 0xff, 0xff, 0xff];
  const implicit = [0x08, 0x00, 0x40, 0x11, 0xff, 0xff, 0xff, 0xff];
  const item = [0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
  const level = Uint8Array.from([...(random() < 0.7 ? explicit : implicit), ...item]);
  const nested = new Uint8Array(level.length * depth);
  for (let k = 0; k < depth; k++) nested.set(level, k * level.length);
  return insert(bytes, place(bytes, random), nested);
};

const graft: Mutation = (bytes, other, random) => {
  const from = below(random, other.length);
  return insert(bytes, place(bytes, random), other.subarray(from, from + below(random, 600)));
};

const remove: Mutation = (bytes, _, random) => {
  const at = place(bytes, random);
  return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + below(random, 64))]);
};

const blank: Mutation = (bytes, _, random) => {
  const at = place(bytes, random);
  return bytes.fill(random() < 0.5 ? 0 : 0xff, at, at + below(random, 300));
};

function insert(bytes: Uint8Array, at: number, piece: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + piece.length);
  longer.set(bytes.subarray(0, at));
  longer.set(piece, at);
  longer.set(bytes.subarray(at), at + piece.length);
  return longer;
}

const MUTATIONS: readonly Mutation[] = [flip, flip, cut, feared, feared, feared, vr, nest, graft, remove, blank];
