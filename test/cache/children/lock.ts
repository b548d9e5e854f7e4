// Takes a lock: `hold` keeps it until a line comes; `contend` takes it again and again and writes down when it is in.
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { acquireLock } from '../../../cache/index.ts';

const [path, mode, log, rounds, dieAt] = process.argv.slice(2) as [string, string, string, string, string];

if (mode === 'hold') {
  const lock = await acquireLock(path, { onWait: (owner) => console.log(`waits for ${owner.pid}`) });
  console.log('held');
  for await (const _ of createInterface({ input: process.stdin })) break;
  lock.release();
  console.log('released');
  process.exit(0);
}
for (let round = 0; round < Number(rounds); round++) {
  const lock = await acquireLock(path, { onWait: () => {} });
  appendFileSync(log, `enter ${process.pid}\n`);
  if (round === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
  await new Promise(setImmediate);
  appendFileSync(log, `leave ${process.pid}\n`);
  lock.release();
}
