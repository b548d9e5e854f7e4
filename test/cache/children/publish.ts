// Saves and commits one artifact after another, and dies by SIGKILL at the step it was told.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from '../../../cache/index.ts';

const [root, step, countText, prefix] = process.argv.slice(2) as [string, string, string, string];
const count = Number(countText);
let rounds = 0;
const cache = openCache({
  dir: join(root, '.dag'),
  onStep(reached) {
    // The second artifact: so that there is a complete record before, and half of one at the kill.
    if (reached === step && rounds === 1) process.kill(process.pid, 'SIGKILL');
  },
});
for (; rounds < count; rounds++) {
  const name = `${prefix}${rounds}`;
  const staged = join(root, `staged-${name}`);
  mkdirSync(staged);
  for (let file = 0; file < 3; file++)
    writeFileSync(join(staged, `f${file}`), `${name} ${file} `.padEnd(5000 * file, '.'));
  const entry = await cache.save(staged, join(root, 'out', name));
  await cache.commit([{ space: 'records', id: name, value: entry }]);
}
await cache.close();
