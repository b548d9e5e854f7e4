// Saves one artifact of bytes that the store has, says so, and commits its record when it is told to.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openCache } from '../../../cache/index.ts';

const [root, text, sizeText] = process.argv.slice(2) as [string, string, string];
const cache = openCache({ dir: join(root, '.dag') });
const staged = join(root, 'staged');
mkdirSync(staged);
writeFileSync(join(staged, 'large'), text.padEnd(Number(sizeText), '.'));
writeFileSync(join(staged, 'small'), text);
const entry = await cache.save(staged, join(root, 'claimed'));
console.log('saved');
createInterface({ input: process.stdin }).once('line', async () => {
  await cache.commit([{ space: 'records', id: 'claimed', value: entry }]);
  await cache.close();
  process.exit(0);
});
