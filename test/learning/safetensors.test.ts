// Safetensors: lossless round trip, the format's bytes, and one clear line for whatever is malformed.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../engine/task.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  writeSafetensors,
} from '../../tasks/learning/weights/safetensors.ts';

const tensor = fc
  .array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
  .chain((shape) =>
    fc
      .array(fc.float(), { minLength: shape.reduce((a, b) => a * b, 1), maxLength: shape.reduce((a, b) => a * b, 1) })
      .map((data) => ({ shape, data: Float32Array.from(data) })),
  );
const name = fc.string().filter((text) => text !== '__metadata__');
const tensors = fc.array(fc.tuple(name, tensor), { maxLength: 6 }).map((entries) => new Map(entries));
const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 });

const file = (header: unknown, body = new Uint8Array(0)): Uint8Array => {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, body]);
};

test('what is written reads back bit for bit, names, shapes and metadata included', () => {
  fc.assert(
    fc.property(tensors, metadata, (given, meta) => {
      const back = decodeSafetensors(encodeSafetensors(given, meta), 'memory');
      expect(Object.entries(back.metadata).sort()).toEqual(Object.entries(meta).sort());
      expect(back.tensors.size).toBe(given.size);
      for (const [key, { shape, data }] of given) {
        const found = back.tensors.get(key)!;
        expect(found.shape).toEqual(shape);
        expect(Buffer.from(found.data.buffer).equals(Buffer.from(data.buffer))).toBe(true);
      }
    }),
  );
});

test('a file on disk holds the same bytes as the encoder gives, and the order of non-empty tensors stays', () => {
  const given = new Map([
    ['10', { shape: [2], data: Float32Array.of(1, -0) }],
    ['2', { shape: [1, 1], data: Float32Array.of(3) }],
    ['b', { shape: [], data: Float32Array.of(4) }],
  ]);
  const target = path.join(mkdtempSync(path.join(tmpdir(), 'safetensors-')), 'w.safetensors');
  writeSafetensors(target, given, { epoch: '3' });
  expect(Buffer.from(encodeSafetensors(given, { epoch: '3' })).equals(readFileSync(target))).toBe(true);
  expect([...readSafetensors(target).tensors.keys()]).toEqual(['10', '2', 'b']);
  expect(readFileSync(target).readUInt32LE(0) % 8).toBe(0);
});

test('half, bfloat, double and long tensors widen to their exact values', () => {
  const header = {
    half: { dtype: 'F16', shape: [6], data_offsets: [0, 12] },
    brain: { dtype: 'BF16', shape: [2], data_offsets: [12, 16] },
    long: { dtype: 'I64', shape: [1], data_offsets: [16, 24] },
    double: { dtype: 'F64', shape: [1], data_offsets: [24, 32] },
  };
  const body = Buffer.alloc(32);
  [0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x3555].forEach((bits, i) => void body.writeUInt16LE(bits, 2 * i));
  [0x3f80, 0xc049].forEach((bits, i) => void body.writeUInt16LE(bits, 12 + 2 * i));
  body.writeBigInt64LE(-12345n, 16);
  body.writeDoubleLE(0.5, 24);
  const { tensors: found } = decodeSafetensors(file(header, body), 'memory');
  expect([...found.get('half')!.data]).toEqual([1, -2, 65504, 2 ** -24, Number.POSITIVE_INFINITY, 0.333251953125]);
  expect([...found.get('brain')!.data]).toEqual([1, -3.140625]);
  expect([...found.get('long')!.data]).toEqual([-12345]);
  expect([...found.get('double')!.data]).toEqual([0.5]);
});

const f32 = (shape: unknown, offsets: unknown): unknown => ({ dtype: 'F32', shape, data_offsets: offsets });
test.each([
  ['an empty file', new Uint8Array(0), '0 bytes are too few for a header'],
  ['a header longer than the file', Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 123]), 'its header claims 9 bytes'],
  ['a header that is not JSON', file('{"a":'), 'its header is not a JSON object'],
  ['a header that is a list', file('[]'), 'its header is not a JSON object'],
  ['an entry that is a number', file({ w: 1 }), 'the entry of tensor "w" is not an object'],
  ['an unknown type', file({ w: { dtype: 'I4', shape: [], data_offsets: [0, 1] } }), 'tensor "w" has type "I4"'],
  ['a negative size', file({ w: f32([-1], [0, 4]) }), 'tensor "w" has shape [-1]'],
  ['an offset that is text', file({ w: f32([1], ['0', 4]) }), 'tensor "w" has offsets ["0",4]'],
  ['a size that disagrees', file({ w: f32([2], [0, 4]) }, Buffer.alloc(4)), 'tensor "w", F32 [2], has 4 bytes'],
  ['a hole', file({ w: f32([1], [4, 8]) }, Buffer.alloc(8)), 'tensor "w" starts at byte 4, expected 0'],
  ['an overlap', file({ v: f32([1], [0, 4]), w: f32([2], [0, 8]) }, Buffer.alloc(8)), 'starts at byte 0, expected 4'],
  ['missing bytes', file({ w: f32([1], [0, 4]) }), 'the tensors end at byte 4 of 0'],
  ['bytes left over', file({ w: f32([1], [0, 4]) }, Buffer.alloc(5)), 'the tensors end at byte 4 of 5'],
  ['metadata of numbers', file({ __metadata__: { a: 1 } }), 'its metadata is not an object of strings'],
])('%s is refused with one line that says where', (_, bytes, message) => {
  expect(() => decodeSafetensors(bytes, 'w.safetensors')).toThrow(InputError);
  expect(() => decodeSafetensors(bytes, 'w.safetensors')).toThrow(
    new RegExp(`^w.safetensors: not a safetensors file that can be read: .*${message.replace(/[[\]".?]/g, '\\$&')}.*$`),
  );
});

test('a damaged file is read or refused, never anything else', () => {
  const whole = encodeSafetensors(new Map([['weight', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]), {
    a: 'b',
  });
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(damage, fc.nat(whole.length), (changes, cut) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        for (const { shape, data } of decodeSafetensors(bytes.subarray(0, cut), 'x').tensors.values()) {
          expect(shape.reduce((a, b) => a * b, 1)).toBe(data.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        expect((error as Error).message).not.toContain('\n');
      }
    }),
    { numRuns: 3000 },
  );
});
