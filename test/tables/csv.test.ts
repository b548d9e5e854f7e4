import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { columnsOf, numberField, readCsv, scanCsv, writeCsv } from '../../tasks/tables/csv.ts';
import { nearest } from '../../tasks/tables/nearest.ts';
import { readPredictions, writePredictions } from '../../tasks/tables/predictions.ts';

const folder = mkdtempSync(join(tmpdir(), 'dag-csv-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'a.csv');
  writeFileSync(path, text);
  return path;
}

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message.replace(folder, '');
  }
  return 'no error';
}

test('whatever is written is read back, quotes, commas and line breaks included', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é'), maxLength: 6 });
  const rows = fc.array(fc.tuple(text, text, fc.double({ noNaN: true, noDefaultInfinity: true })));
  fc.assert(
    fc.property(rows, (written) => {
      const path = join(folder, 'round.csv');
      writeCsv(path, ['a', 'b', 'c'], written);
      const found = readCsv(path);
      expect(found.header).toEqual(['a', 'b', 'c']);
      expect(found.rows.map(([a, b, c]) => [a, b, Number(c) + 0])).toEqual(written.map(([a, b, c]) => [a, b, c + 0]));
    }),
  );
});

test('a file has LF lines and the shortest numbers that read back', () => {
  const path = join(folder, 'plain.csv');
  writeCsv(
    path,
    ['Image', 'p'],
    [
      ['ID_1', 0.1 + 0.2],
      ['ID "2"', 1e-9],
    ],
  );
  expect(readFileSync(path, 'utf8')).toBe('Image,p\nID_1,0.30000000000000004\n"ID ""2""",1e-9\n');
});

test('a byte-order mark, CRLF and a blank last line are accepted, with and without quotes', () => {
  const expected = {
    header: ['a', 'b'],
    rows: [
      ['1', '2'],
      ['3', ''],
    ],
  };
  expect(readCsv(file('\uFEFFa,b\r\n1,2\r\n3,\r\n\r\n'))).toEqual(expected);
  expect(readCsv(file('\uFEFFa,"b"\r\n"1",2\r\n3,""\r\n\r\n'))).toEqual(expected);
  expect(readCsv(file('a,b\n1,2\n3,'))).toEqual(expected);
  expect(readCsv(file('a,"b"\n1,2\n3,'))).toEqual(expected);
});

test('lines are counted through quoted line breaks', () => {
  const lines: number[] = [];
  scanCsv(file('a,b\n"1\n\n",2\n3,4\n'), () => (_, line) => lines.push(line));
  expect(lines).toEqual([2, 5]);
});

describe('errors name file and line', () => {
  test.each([
    ['a,b\n1,2\n3\n', '/a.csv:3: 1 columns; expected 2 as in the header'],
    ['a,b\n"1",2\n3,4,5\n', '/a.csv:3: 3 columns; expected 2 as in the header'],
    ['a,b\n1,2\n3,x"y\n', '/a.csv:3: a quote out of place, or one that is never closed'],
    ['a,b\n"1,2\n3,4\n', '/a.csv:2: a quote out of place, or one that is never closed'],
    ['', '/a.csv:1: the file is empty; expected column names'],
  ])('%j', (text, expected) => {
    expect(message(() => readCsv(file(text)))).toBe(expected);
  });

  test('a missing column, a missing file, a field that is no number', () => {
    expect(message(() => columnsOf('/a.csv', ['a', 'b'], ['b', 'c', 'd']))).toBe(
      '/a.csv:1: no column c, d; the file has a, b',
    );
    expect(message(() => readCsv(join(folder, 'none.csv')))).toMatch(/^\/none.csv: cannot be read: ENOENT/);
    for (const text of ['', ' ', 'x', 'NaN', 'Infinity', '1,5']) {
      expect(message(() => numberField('/a.csv', 7, 'p', text))).toBe(
        `/a.csv:7: column p is "${text}"; expected a number`,
      );
    }
  });
});

describe('predictions', () => {
  const header = 'Image,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural\n';

  test('are sorted by image, and read back as written', () => {
    const table = readPredictions(file(`${header}b,0.1,0.2,0.3,0.4,0.5,0.6\na,1,0,0,0,0,1e-7\n`));
    expect(table.images).toEqual(['a', 'b']);
    expect([...table.values]).toEqual([1, 0, 0, 0, 0, 1e-7, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    writePredictions(join(folder, 'again.csv'), table);
    expect(readPredictions(join(folder, 'again.csv'))).toEqual(table);
  });

  test.each([
    [`${header}a,1,0,0,0,0,0\na,1,0,0,0,0,0\n`, '/a.csv:3: image a has a prediction already at line 2'],
    [`${header}a,1,0,0,0,0,1.5\n`, '/a.csv:2: column subdural is 1.5; expected a probability, 0 to 1'],
    [header, '/a.csv: no predictions in it'],
  ])('%j', (text, expected) => {
    expect(message(() => readPredictions(file(text)))).toBe(expected);
  });
});

test('the nearest name is offered for a slip, and nothing for another word', () => {
  expect(nearest('subdral', ['any', 'epidural', 'subdural'])).toBe('subdural');
  expect(nearest('Any', ['any', 'epidural'])).toBe('any');
  expect(nearest('fracture', ['any', 'epidural'])).toBeUndefined();
});
