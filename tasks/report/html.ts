// The few means of writing HTML that the report needs: escaping, tables, figures, sheets of pictures, and the page's style.

/** Text as it may stand in HTML. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** The first column is the row's name, the others are numbers. Cells are text, not HTML. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], caption: string): string {
  const head = header.map((name) => `<th scope="col">${escaped(name)}</th>`).join('');
  const body = rows.map(([name, ...cells]) => {
    return `<tr><th scope="row">${escaped(name!)}</th>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
  });
  return `<div class="table"><p class="caption">${escaped(caption)}</p>
<div class="wide"><table aria-label="${escaped(caption)}"><thead><tr>${head}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div></div>`;
}

/** An SVG within the page. Its identifiers get the figure's name before them: two plots may both have a `clip0`. */
export function figure(name: string, svg: string, description: string): string {
  const own = svg
    .replace(/(\bid="|url\(#|href="#)/g, `$1${name}-`)
    .replace(/^<svg /, `<svg role="img" aria-label="${escaped(description)}" `);
  return `<figure class="wide">${own}</figure>`;
}

/** Figures side by side where there is room. */
export function beside(...figures: readonly string[]): string {
  return `<div class="beside">${figures.join('\n')}</div>`;
}

export interface Tile {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

export function tiles(list: readonly Tile[]): string {
  const each = list.map(({ name, value, note }) => {
    return `<div class="tile"><span>${escaped(name)}</span><strong>${escaped(value)}</strong><span>${escaped(note)}</span></div>`;
  });
  return `<div class="tiles">${each.join('')}</div>`;
}

/** Statements that hold or do not; text, not HTML. */
export function findingsList(list: readonly { holds: boolean | undefined; text: string }[]): string {
  const each = list.map(({ holds, text }) => {
    const mark = holds === undefined ? '–' : holds ? '✓' : '✗';
    const name = holds === undefined ? 'open' : holds ? 'yes' : 'no';
    return `<li class="${name}"><b aria-label="${name}">${mark}</b><span>${escaped(text)}</span></li>`;
  });
  return `<ul class="findings">${each.join('')}</ul>`;
}

export interface Card {
  readonly pictures: readonly { readonly uri: string; readonly alt: string }[];
  readonly lines: readonly string[];
}

/** Pictures with a few lines of text below each. */
export function sheet(cards: readonly Card[], kind: 'single' | 'pairs' = 'single'): string {
  const each = cards.map(({ pictures, lines }) => {
    const images = pictures.map(({ uri, alt }) => `<img src="${uri}" alt="${escaped(alt)}">`).join('');
    return `<figure>${images}<figcaption>${lines.map(escaped).join('<br>')}</figcaption></figure>`;
  });
  return `<div class="sheet ${kind}">${each.join('\n')}</div>`;
}

export function section(id: string, title: string, ...parts: readonly string[]): string {
  return `<section id="${id}">\n<h2>${escaped(title)}</h2>\n${parts.filter((part) => part !== '').join('\n')}\n</section>`;
}

/** A whole document that needs nothing but itself. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

const STYLE = `
body { margin: 0; background: #fff; color: #202124; font: 15px/1.5 Helvetica, Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 36px 0 8px; border-top: 1px solid #dadce0; padding-top: 20px; }
h3 { font-size: 15px; margin: 22px 0 6px; }
p, ul { max-width: 46em; margin: 8px 0; }
a { color: #0b57d0; }
nav { margin: 14px 0 0; line-height: 2; }
nav a { margin-right: 14px; white-space: nowrap; }
.wide { overflow-x: auto; }
figure { margin: 16px 0; }
figure svg { max-width: 100%; height: auto; }
.beside { display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: flex-start; }
.beside figure { flex: 1 1 400px; max-width: 100%; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px; margin: 18px 0; }
.tile { border: 1px solid #dadce0; border-radius: 8px; padding: 12px 14px; display: flex; flex-direction: column; }
.tile span { color: #5f6368; font-size: 13px; }
.tile strong { font-size: 26px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.findings { list-style: none; padding: 0; }
.findings li { display: flex; margin: 4px 0; }
.findings b { flex: 0 0 26px; }
.yes b { color: #137333; } .no b { color: #b3261e; } .open b { color: #5f6368; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; margin: 12px 0; }
.sheet figure { margin: 0; break-inside: avoid; }
.sheet img { display: block; width: 100%; max-width: 180px; aspect-ratio: 1; object-fit: contain; background: #000; margin-bottom: 4px; }
.sheet figcaption { font-size: 12px; line-height: 1.4; color: #3c4043; overflow-wrap: anywhere; }
.pairs { grid-template-columns: repeat(auto-fill, minmax(310px, 1fr)); }
.pairs img { display: inline-block; width: calc(50% - 4px); max-width: 150px; margin-right: 4px; }
table { border-collapse: collapse; margin: 4px 0 12px; font-variant-numeric: tabular-nums; }
.caption { color: #5f6368; margin: 14px 0 0; }
.table { max-width: 100%; }
th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid #e8eaed; white-space: nowrap; }
thead th { color: #5f6368; font-weight: normal; vertical-align: bottom; white-space: normal; }
th:first-child { text-align: left; }
tbody th { font-weight: normal; }
pre { background: #f1f3f4; padding: 10px 12px; border-radius: 6px; overflow-x: auto; font-size: 13px; }
@media (max-width: 640px) { main { padding: 16px 14px 32px; } th, td { padding-right: 10px; font-size: 13px; } h1 { font-size: 22px; } }
@media print {
  @page { margin: 14mm; }
  body { font-size: 11px; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; margin-top: 20px; padding-top: 10px; font-size: 15px; }
  h3, .caption { break-after: avoid; }
  figure, .tile, .table { break-inside: avoid; }
  section:has(> .sheet) { break-inside: avoid; }
  p:has(+ .table), p:has(+ pre) { break-after: avoid; }
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .wide { overflow: visible; }
  th, td { padding: 2px 8px 2px 0; font-size: 10px; white-space: normal; }
  .tile strong { font-size: 18px; }
  .sheet { grid-template-columns: repeat(6, 1fr); gap: 8px; }
  .sheet.pairs { grid-template-columns: repeat(3, 1fr); }
  .sheet figcaption { font-size: 9px; }
  .beside figure { flex: 1 1 45%; max-width: 48%; }
  pre { white-space: pre-wrap; font-size: 10px; }
}
`;
