// When a task is over: `run()` has settled, and its process is at rest. Each shape of work that is not awaited leaves what `node`
// leaves of the same module, or fails the node as it fails there.
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { openTasks } from './rig.ts';

const tasks = openTasks();
afterAll(() => tasks.close());

const SHAPES: Readonly<Record<string, string>> = {
  'forEach(async …)': `[...Array(20).keys()].forEach(async (i) => {
    await sleep(i);
    await fsp.writeFile(out + '/' + i, 'x'.repeat(1000 * i));
  });`,
  'a stream without its finish': `const stream = fs.createWriteStream(out + '/big');
    for (let i = 0; i < 200; i++) stream.write('line '.repeat(1000));
    stream.end('end');`,
  'a gzip pipe': `fs.writeFileSync(out + '/raw', Buffer.alloc(3e6, 'some bytes '));
    fs.createReadStream(out + '/raw').pipe(zlib.createGzip()).pipe(fs.createWriteStream(out + '/raw.gz'));`,
  'a pipeline with a callback': `fs.writeFileSync(out + '/raw', Buffer.alloc(3e6, 'some bytes '));
    pipeline(fs.createReadStream(out + '/raw'), zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
      fs.createWriteStream(out + '/raw.br'), () => fs.writeFileSync(out + '/done', 'yes'));`,
  'a spawned child that writes': `spawn('sh', ['-c', 'sleep 0.1; echo late > "$0/late"', out]);`,
  'a child with stdio inherited': `spawn('sh', ['-c', 'sleep 0.1; echo late > "$0/late"; echo said', out], { stdio: 'inherit' });`,
  'a child whose output is written': `exec('sleep 0.1; echo said', (_, said) => fs.writeFileSync(out + '/said', said));`,
  'a timer': `setTimeout(() => fs.writeFileSync(out + '/late', 'late'), 50);`,
  'an interval that ends': `let n = 0;
    const timer = setInterval(() => { fs.appendFileSync(out + '/ticks', 'tick '); if (++n === 5) clearInterval(timer); }, 5);`,
  'a worker thread': `new Worker(\`const { workerData } = require('node:worker_threads');
      setTimeout(() => require('node:fs').writeFileSync(workerData + '/thread', 'late'), 50);\`, { eval: true, workerData: out });`,
  'callbacks of fs': `fs.mkdir(out + '/../beside' + process.pid, () => fs.writeFile(out + '/a', 'a', () => fs.appendFile(out + '/a', 'b', () =>
      fs.rename(out + '/a', out + '/b', () => {}))));`,
  'a server and its client': `const server = net.createServer((socket) => {
      socket.on('data', (data) => fs.appendFileSync(out + '/heard', data)).on('end', () => server.close());
    }).listen(0, () => {
      const client = net.connect(server.address().port);
      client.write('hello ');
      setTimeout(() => client.end('world'), 30);
    });`,
  'a request to a server': `const server = http.createServer((_, answer) => setTimeout(() => answer.end('said'), 30)).listen(0, '127.0.0.1', async () => {
      const answer = await fetch('http://127.0.0.1:' + server.address().port);
      fs.writeFileSync(out + '/got', await answer.text());
      server.close();
    });`,
  'a chain of setImmediate': `let n = 0;
    const next = () => (++n < 50 ? setImmediate(next) : fs.writeFileSync(out + '/count', String(n)));
    next();`,
  'a chain of promises': `fsp.writeFile(out + '/a', 'a').then(() => fsp.appendFile(out + '/a', 'b')).then(() => fsp.copyFile(out + '/a', out + '/b'));`,
  'work in the thread pool': `zlib.gzip(Buffer.alloc(1e6), (_, zipped) => fs.writeFileSync(out + '/zipped', zipped));
    pbkdf2('a', 'b', 20000, 8, 'sha256', (_, key) => fs.writeFileSync(out + '/key', key));`,
  'ticks and microtasks': `process.nextTick(() => queueMicrotask(() => process.nextTick(() => fs.writeFileSync(out + '/tick', 'tick'))));`,
  'a message port that closes': `const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => { fs.writeFileSync(out + '/data', data); port1.close(); };
    port2.postMessage('data');`,
  'what is done before the process exits': `process.once('beforeExit', () => setTimeout(() => fs.writeFileSync(out + '/before', 'late'), 20));`,
  'what is done as the process exits': `process.on('exit', () => fs.writeFileSync(out + '/exit', 'last'));`,
  'a timer that Node does not wait for': `fs.writeFileSync(out + '/a', 'a');
    setTimeout(() => fs.writeFileSync(out + '/never', 'x'), 100).unref();`,
  'a rejection that is handled later': `const no = Promise.reject(new Error('no'));
    no.catch(() => {});
    setTimeout(() => fs.writeFileSync(out + '/late', 'late'), 5);`,
  'an error that the task handles': `process.on('uncaughtException', (error) => fs.writeFileSync(out + '/caught', error.message));
    setTimeout(() => { throw new Error('no'); }, 5);`,
  'a rejection that the task handles': `process.on('unhandledRejection', (error) => fs.writeFileSync(out + '/caught', error.message));
    void fsp.readFile('/nowhere').catch(() => { throw new Error('no'); });`,
  'a timer that throws': `setTimeout(() => { throw new Error('no'); }, 5);`,
  'a floating rejection': `void (async () => { await sleep(5); throw new Error('no'); })();`,
  'an error event that nobody hears': `fs.createWriteStream('/nowhere/at/all');`,
  'a rejection while run() goes on': `void Promise.reject(new Error('no')); await sleep(20); fs.writeFileSync(out + '/a', 'a');`,
  'a thread that throws': `new Worker('setTimeout(() => { throw new Error("no") }, 5)', { eval: true });`,
  'an exit code of its own': `process.exitCode = 3;`,
  'an exit code set late': `setTimeout(() => { process.exitCode = 3; }, 5);`,
  'an exit code set and taken back': `process.exitCode = 3; setTimeout(() => { process.exitCode = 0; }, 5);`,
  'a run() that never settles': `await new Promise(() => {});`,
  'a run() that never settles, after a while': `setTimeout(() => {}, 20); await new Promise(() => {});`,
};

describe('a task is over when node would have ended', () => {
  test.each(Object.entries(SHAPES))('%s', async (_, body) => {
    const module = tasks.module(body);
    const [alone, { failure, files }] = await Promise.all([tasks.alone(module), tasks.run(module)]);
    expect(failure?.message ?? null).toEqual(alone.code === 0 ? null : expect.any(String));
    if (alone.code === 0) expect(files).toEqual(alone.files);
  });

  test('any program of awaited and floating writes: no byte is missing, or the node fails', async () => {
    const module = tasks.module('await interpret(ctx.params.steps, out);', INTERPRETER);
    await fc.assert(
      fc.asyncProperty(program, async (steps) => {
        const { failure, files } = await tasks.run(module, { params: { steps: steps as never } });
        expect(failure === null).toBe(!throws(steps));
        if (!failure) expect(files).toEqual(writes(steps));
      }),
      { numRuns: 150 },
    );
  });
});

interface Step {
  readonly how: 'promise' | 'callback' | 'stream' | 'gunzip' | 'timer' | 'immediate' | 'child' | 'thread' | 'throw';
  readonly awaited: boolean;
  readonly name: string;
  readonly size: number;
  readonly delayMs: number;
  /** Done once this has been. */
  readonly after: readonly Step[];
}

// Children and threads cost a hundred times the others.
const hows = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.constantFrom<Step['how'][]>('promise', 'callback', 'stream', 'gunzip', 'timer', 'immediate'),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step['how'][]>('child', 'thread', 'throw') },
);
const { steps: program } = fc.letrec<{ steps: Step[]; step: Step }>((tie) => ({
  steps: fc.array(tie('step'), { maxLength: 5, depthIdentifier: 'steps' }),
  step: fc.record({
    how: hows as fc.Arbitrary<Step['how']>,
    awaited: fc.boolean(),
    name: fc.uuid(),
    size: fc.integer({ min: 0, max: 300_000 }),
    delayMs: fc.integer({ min: 0, max: 10 }),
    after: fc.oneof({ depthSize: 'small', depthIdentifier: 'steps' }, fc.constant([]), tie('steps')),
  }),
}));

const INTERPRETER = `
async function interpret(steps, out) {
  for (const step of steps) {
    const done = perform(step, out).then(() => interpret(step.after, out));
    if (step.awaited) await done;
  }
}
function perform({ how, name, size, delayMs }, out) {
  const file = out + '/' + name;
  const bytes = name[0].repeat(size);
  return new Promise((resolve, reject) => {
    const settle = (error) => (error ? reject(error) : resolve());
    const write = () => { fs.writeFileSync(file, bytes); resolve(); };
    switch (how) {
      case 'promise': return void sleep(delayMs).then(() => fsp.writeFile(file, bytes)).then(resolve);
      case 'callback': return void fs.writeFile(file, bytes, settle);
      case 'stream': {
        const stream = fs.createWriteStream(file).on('close', resolve);
        for (let at = 0; at < size; at += 1000) stream.write(bytes.slice(at, at + 1000));
        return void stream.end();
      }
      case 'gunzip': {
        const unzip = zlib.createGunzip();
        unzip.pipe(fs.createWriteStream(file)).on('close', resolve);
        return void unzip.end(zlib.gzipSync(bytes));
      }
      case 'timer': return void setTimeout(write, delayMs);
      case 'immediate': return void setImmediate(write);
      case 'child': return void spawn('sh', ['-c', 'cat > "$0"', file], { stdio: ['pipe', 'ignore', 'ignore'] }).on('close', resolve).stdin.end(bytes);
      case 'thread': {
        const code = "const { workerData: [file, bytes] } = require('node:worker_threads'); require('node:fs').writeFileSync(file, bytes)";
        return void new Worker(code, { eval: true, workerData: [file, bytes] }).on('exit', resolve);
      }
      case 'throw': return void setTimeout(() => { throw new Error('no'); }, delayMs);
    }
  });
}
`;

function throws(steps: readonly Step[]): boolean {
  return steps.some(({ how, after }) => how === 'throw' || throws(after));
}

function writes(steps: readonly Step[]): Record<string, string> {
  return Object.assign(
    {},
    ...steps.map(({ name, size, after }) => ({ [name]: name[0]!.repeat(size), ...writes(after) })),
  );
}

describe('what is thrown is told, whatever it is', () => {
  test.each([
    ['throw { a: 1 };', ['it threw { a: 1 }']],
    ['throw null;', ['it threw null']],
    ["throw '';", ["it threw ''"]],
    ["throw 'words';", ['words']],
    ['throw Symbol("s");', ['it threw Symbol(s)']],
    ["throw new Error('top', { cause: new TypeError('deep', { cause: 'root' }) });", ['top\ncaused by: deep', 'root']],
    ["throw new AggregateError([new Error('one'), { two: 2 }], 'both');", ['both\n- one\n- it threw { two: 2 }']],
    ["const e = new Error('self'); e.cause = e; throw e;", ['self']],
    ["await Promise.any([Promise.reject(new Error('one'))]);", ['All promises were rejected\n- one']],
    ['void Promise.reject({ a: 1 }); await sleep(1e6);', ['it threw { a: 1 }']],
    ["setTimeout(() => { throw new Error('late', { cause: new Error('deep') }); });", ['late\ncaused by: deep']],
    ['throw { get a() { throw 1; }, [Symbol.for("nodejs.util.inspect.custom")]() { throw 2; } };', ['cannot be shown']],
  ])('%s', async (body, told) => {
    const { failure } = await tasks.run(tasks.module(body));
    expect(failure).toMatchObject({ kind: 'task', cause: 'code' });
    for (const text of told) expect(failure!.message).toContain(text);
  });

  test('the log has the stack of what happened after run() returned', async () => {
    const { failure, log } = await tasks.run(tasks.module('setTimeout(function late() { throw new Error("no"); });'));
    expect(failure!.message).toBe('no');
    expect(log).toMatch(/Error: no\n +at .*late/);
  });

  test('a run() that never settles is told as that', async () => {
    const { failure } = await tasks.run(tasks.module('await new Promise(() => {});'));
    expect(failure!.message).toContain('it awaits what can never happen');
  });

  test('an exit with code 0 before the task was over is a failure', async () => {
    const { failure } = await tasks.run(tasks.module('fs.writeFile(out + "/a", "a", () => {}); process.exit(0);'));
    expect(failure!.message).toContain('process.exit(0)');
  });
});

describe('while a task is waited for', () => {
  test('it is said after some seconds what is open', async () => {
    const started = tasks.start(
      tasks.module(`
        const server = net.createServer().listen(0, '127.0.0.1');
        const child = spawn('sleep', ['1000']);
        const timer = setInterval(() => {
          if (!fs.existsSync(out + '/go')) return;
          clearInterval(timer);
          server.close();
          child.kill();
        }, 10);`),
    );
    const warning = await started.warned;
    expect(warning).toMatch(/^run\(\) has returned; waiting for what it did not await: /);
    expect(warning).toMatch(/server on port \d+/);
    expect(warning).toMatch(/child process \d+ \(sleep 1000\)/);
    expect(warning).toContain('timer');
    writeFileSync(path.join(started.out, 'go'), '');
    expect((await started.ended).failure).toBeNull();
  });

  test('its timeout holds', async () => {
    const { failure } = await tasks.run(tasks.module('net.createServer().listen(0);'), { timeoutMs: 300 });
    expect(failure!.message).toContain('timeout of 0.3 s');
  });

  test('it is told to stop', async () => {
    const module = tasks.module(`
      const server = net.createServer().listen(0, () => fs.writeFileSync(out + '/began', ''));
      ctx.signal.addEventListener('abort', () => { fs.writeFileSync(out + '/stopped', ''); server.close(); });`);
    const started = tasks.start(module);
    while (!existsSync(path.join(started.out, 'began'))) await new Promise((resolve) => setTimeout(resolve, 5));
    started.stop('enough');
    const { failure, files } = await started.ended;
    expect(failure).toBeNull();
    expect(Object.keys(files)).toEqual(['began', 'stopped']);
  });
});

describe('a process is kept for the next node', () => {
  const pids = async (body: string) => {
    const module = tasks.module(`${body}\nfs.writeFileSync(out + '/pid', String(process.pid));`);
    return [(await tasks.run(module)).files.pid, (await tasks.run(module)).files.pid];
  };

  test.each([
    ['that awaited all', ''],
    ['whose floating work has ended', 'setTimeout(() => {}, 20); fs.writeFile(out + "/a", "a", () => {});'],
    ['whose timer without a hold has ended', 'setTimeout(() => {}, 1).unref(); await sleep(20);'],
    ['whose children have ended', "spawn('sh', ['-c', 'true']); spawn('true', { stdio: 'ignore' });"],
    ['that heard its signal', 'ctx.signal.addEventListener("abort", () => {});'],
  ])('after a task %s', async (_, body) => {
    const [first, second] = await pids(body);
    expect(second).toBe(first);
  });

  test.each([
    ['a timer', 'setInterval(() => {}, 1000).unref();'],
    ['a server', 'net.createServer().listen(0).unref();'],
    ['a child', "const child = spawn('sleep', ['0.3'], { stdio: 'ignore' }); child.unref();"],
    [
      'what a child left',
      "await new Promise((resolve) => spawn('sh', ['-c', 'sleep 9 &'], { stdio: 'ignore' }).on('exit', resolve));",
    ],
    ['a thread', "new Worker('setTimeout(() => {}, 1e6)', { eval: true }).unref();"],
    ['a watcher', 'fs.watch(out).unref();'],
    ['something to be done at its exit', "process.on('exit', () => {});"],
  ])('but not where the task left %s', async (_, body) => {
    const [first, second] = await pids(body);
    expect(second).not.toBe(first);
  });
});

describe('an item of ctx.each is over like a task', () => {
  const each = (worker: string, before = '', after = '') =>
    tasks.module(
      `const items = [...Array(12).keys()];
      ${before}
      const results = await ctx.each(items, { key: (i) => 'item ' + i, inputs: () => [], outputs: { o: (i) => [i + '.txt'] } }, worker);
      fs.writeFileSync(out + '/results', JSON.stringify([...results]));
      ${after}`,
      `export async function worker(i, item) { const file = item.output('o') + '/' + i + '.txt'; ${worker} return i; }`,
    );
  /** Long enough that threads are worth it. */
  const SLOW = 'for (const endMs = Date.now() + 80; Date.now() < endMs; );';
  const whole = Object.fromEntries([...Array(12).keys()].map((i) => [`${i}.txt`, `item ${i}`]));

  test.each([
    ['on the task’s own thread', 1, ''],
    ['on threads', 2, SLOW],
  ])('%s: what its worker did not await is waited for', async (_, cores, slow) => {
    const module = each(`${slow} setTimeout(() => fs.writeFile(file, 'item ' + i, () => {}), 5);`);
    const { failure, files } = await tasks.run(module, { cores });
    expect(failure).toBeNull();
    expect(files).toEqual({ ...whole, results: JSON.stringify([...Array(12).keys()]) });
  });

  test.each([
    ['on the task’s own thread', 1, ''],
    ['on threads', 2, SLOW],
  ])('%s: what it throws later is told with its key', async (_, cores, slow) => {
    const late = "if (i === 7) setTimeout(() => { throw new Error('no'); }, 5);";
    const { failure } = await tasks.run(each(`${slow} fs.writeFileSync(file, 'item ' + i); ${late}`), { cores });
    expect(failure!.message).toBe('item 7: no');
  });

  test('one that never settles is told with its key', async () => {
    const module = each("fs.writeFileSync(file, 'x'); if (i === 3) await new Promise(() => {});");
    expect((await tasks.run(module)).failure!.message).toMatch(/^item 3: it awaits what can never happen/);
  });

  test('it does not wait for what the task itself has open', async () => {
    const server = 'const server = net.createServer().listen(0);';
    const module = each("await fsp.writeFile(file, 'item ' + i);", server, 'server.close();');
    const { failure, files } = await tasks.run(module);
    expect(failure).toBeNull();
    expect(files).toMatchObject(whole);
  });
});
