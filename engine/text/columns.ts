// How much room a text takes on a terminal, and how it is cut to fit.

/** Columns that a terminal gives to a text: East Asian wide letters and emoji take two. */
export function width(text: string): number {
  let columns = 0;
  for (const letter of text) {
    const code = letter.codePointAt(0)!;
    if (/\p{Mark}/u.test(letter)) continue;
    columns += (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xffdc) || code >= 0x1f300 ? 2 : 1;
  }
  return columns;
}

/** Cut to so many columns, with an ellipsis where something is missing. */
export function clip(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let [kept, used] = ['', 0];
  for (const letter of text) {
    used += width(letter);
    if (used > columns - 1) break;
    kept += letter;
  }
  return `${kept}…`;
}
