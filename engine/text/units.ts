// Numbers with units as people write them: 16GiB, 512MB, 90s, 1h30m.

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86_400e3 };

/** Bytes of `16GiB`, `512MB`, `1.5 GiB`; undefined when it cannot be read. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const unit = match && Object.hasOwn(BYTES, match[2]!) && BYTES[match[2]!];
  return match && unit ? Math.round(Number(match[1]) * unit) : undefined;
}

/** Milliseconds of `90s`, `2h`, `1h30m`; undefined when it cannot be read. */
export function parseDuration(text: string): number | undefined {
  const compact = text.replace(/\s+/g, '');
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|min|m|h|d))+$/.test(compact)) return undefined;
  let total = 0;
  for (const [, amount, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|min|m|h|d)/g))
    total += Number(amount) * MILLISECONDS[unit!]!;
  return Math.round(total);
}
