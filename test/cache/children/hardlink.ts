// Runs as an ordinary user: do the store and the work tree share one read-only file?
import { accessSync, constants, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from '../../../cache/index.ts';

const root = process.argv[2]!;
const out = join(root, 'out');
mkdirSync(out);
writeFileSync(join(out, 'x'), 'hello'.repeat(1000));
const cache = openCache({ dir: join(root, '.dag'), link: 'hardlink' });
const entry = await cache.save(out, out);
await cache.commit([]);
const linked = statSync(join(out, 'x')).nlink === 2;
rmSync(out, { recursive: true });
await cache.restore(entry, out);
cache.forget(out);
const restored = cache.scan(out)?.digest === entry.digest;
const result = { linked, writable: writable(join(out, 'x')), restored, relinked: statSync(join(out, 'x')).nlink === 2 };
await cache.close();
console.log(JSON.stringify(result));

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
