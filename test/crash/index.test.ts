// The index of the cache cut at every byte, and with bytes flipped anywhere: found, told, set aside, and made anew of what can
// be read of it and of its copy; never a wrong hit, and nothing to repair by hand. DAG_CRASH=all flips longer.
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { countOf, entriesOf, faultOf, headFault } from '../../cache/db/lmdbFile.ts';
import { bootNumber, processOf } from '../../cache/host/process.ts';
import type { Project } from '../rigs/project.ts';
import { cleanOutputs, createEveryKind, outputsOf, removeOutputs, textOf } from './rig.ts';

const INDEX = '.dag/v1/index.mdb';

let p: Project;
afterEach(() => p?.remove());

async function built(): Promise<Project> {
  p = createEveryKind();
  await p.run();
  return p;
}

function damage(change: (bytes: Buffer) => Buffer): void {
  writeFileSync(p.path(INDEX), change(readFileSync(p.path(INDEX))));
}

test('an index cut at any byte is known by its head', async () => {
  await built();
  const cut = p.path('cut.mdb');
  copyFileSync(p.path(INDEX), cut);
  expect(headFault(cut)).toBeNull();
  for (let size = statSync(cut).size - 1; size >= 0; size -= size > 12_288 ? 61 : 1) {
    truncateSync(cut, size);
    expect(headFault(cut)).not.toBeNull();
  }
});

test.each([0, 100, 5000, 20_000])(
  'a run with an index cut to %i bytes says so, and finds its results in the copy',
  async (size) => {
    await built();
    removeOutputs(p);
    damage((bytes) => bytes.subarray(0, size));
    const answer = await p.dag('run', '--json');
    expect(answer.stderr).toContain("the cache's index");
    expect(answer.stderr).toContain('from the copy made after an earlier run');
    expect(JSON.parse(answer.stdout)).toMatchObject({ ok: true, ran: [] });
    expect(outputsOf(p)).toEqual(cleanOutputs(0));
  },
);

test('without a copy, everything is made again', async () => {
  await built();
  rmSync(p.path('.dag/v1/index.copy.mdb'));
  damage((bytes) => bytes.subarray(0, 9000));
  const answer = await p.dag('run', '--json');
  expect(answer.stderr).toContain('there was no copy of it');
  expect(JSON.parse(answer.stdout)).toMatchObject({ ok: true, restored: [], fresh: [] });
  expect(await p.run()).toMatchObject({ ran: [], restored: [] });
});

test('of a whole index every entry is read, and no fault is found', async () => {
  await built();
  const index = p.path(INDEX);
  const read: Record<string, number> = {};
  const take = ({ table }: { table: string }) => {
    read[table] = (read[table] ?? 0) + 1;
  };
  expect(faultOf(index, bootNumber())).toBeNull();
  expect(entriesOf(index, bootNumber(), take)).toBe(0);
  expect(read).toMatchObject({ records: 4, nodes: 4 });
  expect(countOf(index, bootNumber(), 'records')).toBe(4);
});

/** Heads of pages, where a flip does most harm, and anywhere. */
function places(size: number) {
  const head = fc.tuple(fc.nat(size / 4096 - 1), fc.nat(80)).map(([page, byte]) => page * 4096 + byte);
  return fc.array(fc.oneof(head, fc.nat(size - 1)), { minLength: 1, maxLength: 4 });
}

test('whatever bytes are flipped, looking through the index ends, and gives what can be read', async () => {
  await built();
  const whole = readFileSync(p.path(INDEX));
  const flipped = p.path('flipped.mdb');
  fc.assert(
    fc.property(places(whole.length), fc.nat(255), (at, mask) => {
      const bytes = Buffer.from(whole);
      for (const one of at) bytes[one]! ^= mask;
      writeFileSync(flipped, bytes);
      const fault = headFault(flipped) ?? faultOf(flipped, bootNumber());
      const lost = entriesOf(flipped, bootNumber(), () => {});
      if (fault === null) expect(lost).toBe(0);
    }),
    { numRuns: 2000 },
  );
});

test('an index that broke under a run is made anew, and loses only what cannot be read', async () => {
  await built();
  rmSync(p.path('.dag/v1/index.copy.mdb'));
  const index = p.path(INDEX);
  const { size } = statSync(index);
  // A page of the stat cache: nothing that it knew is needed.
  for (let page = 2; page < size / 4096; page++) {
    const bytes = readFileSync(index);
    const isLeaf = bytes.readUInt16LE(page * 4096 + 18) === 2 && bytes.includes('/source.txt', page * 4096);
    if (!isLeaf || !bytes.subarray(page * 4096, page * 4096 + 4096).includes('/source.txt')) continue;
    bytes.writeUInt16LE(1, page * 4096 + 18);
    writeFileSync(index, bytes);
  }
  // As a process leaves it that was ended by a signal.
  writeFileSync(p.path('.dag/v1/open/host~1~dead'), '');
  writeFileSync(p.path('.dag/v1/index.copy.mdb.1'), 'half');
  const answer = await p.dag('run', '--json');
  expect(answer.stderr).toMatch(/index\.mdb was damaged: page \d+ is not one of stats/);
  expect(answer.stderr).toContain('there was no copy of it');
  expect(JSON.parse(answer.stdout)).toMatchObject({ ok: true, ran: [], restored: [] });
  expect(readdirSync(p.path('.dag/v1/open'))).toEqual([]);
  expect(existsSync(p.path('.dag/v1/index.copy.mdb.1'))).toBe(false);
});

test('an entry whose key is said to have no bytes is left out of what is made anew', async () => {
  await built();
  damage((bytes) => {
    for (let page = 2; page < bytes.length / 4096; page++) {
      const at = page * 4096;
      const first = at + 24 + bytes.readUInt16LE(at + 22);
      if (bytes.readUInt16LE(at + 18) === 2 && bytes.subarray(at, at + 4096).includes('/source.txt'))
        bytes.writeUInt16LE(0, first + 6);
    }
    bytes[0]! ^= 0xff; // The first head.
    return bytes;
  });
  const answer = await p.dag('run', '--json');
  expect(answer.stderr).toContain('was damaged: it has');
  expect(JSON.parse(answer.stdout)).toMatchObject({ ok: true });
  expect(outputsOf(p)).toEqual(cleanOutputs(0));
  expect(await p.run()).toMatchObject({ ran: [], restored: [] });
});

test.each([
  ['has it open', 'open/elsewhere~7~x~y', ''],
  ['repairs it', 'repair.lock/1', JSON.stringify({ owner: { host: 'elsewhere', pid: 7, started: 'x' } })],
])('a damaged index that another machine maybe %s is told with the file to remove', async (_, file, text) => {
  await built();
  damage((bytes) => bytes.subarray(0, 5000));
  p.write(`.dag/v1/${file}`, text);
  const answer = await p.dag('run');
  expect(answer.code).toBe(2);
  expect(answer.stderr).toMatch(/^error: the cache's index .*process 7 on elsewhere: if it is gone, remove (.*)$/ms);
  expect(readdirSync(p.path('.dag/v1/open'))).toHaveLength(file.startsWith('open') ? 1 : 0);
  rmSync(/remove (.*)$/m.exec(answer.stderr)![1]!, { recursive: true });
  expect(await p.run()).toMatchObject({ ok: true, ran: [] });
});

test('a damaged index is repaired once what else has it open has ended', async () => {
  await built();
  damage((bytes) => bytes.subarray(0, 5000));
  const other = spawn('/bin/cat');
  const started = encodeURIComponent(processOf(other.pid!).started);
  p.write(`.dag/v1/open/${encodeURIComponent(hostname())}~${other.pid}~${started}~x`, '');
  const markers = new Set<string>();
  const watcher = watch(p.path('.dag/v1/open'), (_, name) => {
    markers.add(name!);
    if (markers.size === 2) other.stdin.end(); // It came a second time.
  });
  const answer = await p.dag('run');
  watcher.close();
  other.kill();
  expect(answer.stderr).toContain('It was moved to');
  expect(answer.code).toBe(0);
});

const all = process.env.DAG_CRASH === 'all';

test('bytes flipped anywhere in the index never make a wrong result, and two runs at most make good', async () => {
  await built();
  const whole = p.path('whole.mdb');
  copyFileSync(p.path(INDEX), whole);
  const { size } = statSync(whole);
  let number = 0;
  await fc.assert(
    fc.asyncProperty(places(size), fc.boolean(), async (at, edited) => {
      copyFileSync(whole, p.path(INDEX));
      rmSync(p.path(`${INDEX}-lock`), { force: true });
      damage((bytes) => {
        for (const one of at) bytes[one]! ^= 0xff;
        return bytes;
      });
      if (edited) p.write('source.txt', textOf(++number));
      const first = await p.dag('run', '--json');
      if (first.code !== 0) expect(await p.run()).toMatchObject({ ok: true });
      expect(outputsOf(p)).toEqual(cleanOutputs(number));
    }),
    all ? { numRuns: 300 } : { numRuns: 30, seed: 1 }, // New places are for the long form to find.
  );
  expect(existsSync(p.path(INDEX))).toBe(true);
}, 1_200_000);
