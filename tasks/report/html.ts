// The few means of writing HTML that the report needs: escaping, tables, figures.

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
  return `<div class="wide"><table><caption>${escaped(caption)}</caption><thead><tr>${head}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div>`;
}

/** An SVG within the page. Its identifiers get the figure's name before them: two plots may both have a `clip0`. */
export function figure(name: string, svg: string, description: string): string {
  const own = svg
    .replace(/(\bid="|url\(#|href="#)/g, `$1${name}-`)
    .replace(/^<svg /, `<svg role="img" aria-label="${escaped(description)}" `);
  return `<figure class="wide">${own}</figure>`;
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
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 36px 0 8px; border-top: 1px solid #dadce0; padding-top: 20px; }
p { max-width: 46em; margin: 8px 0; }
.wide { overflow-x: auto; }
figure { margin: 16px 0; }
figure svg { max-width: 100%; height: auto; min-width: 600px; }
table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #5f6368; padding-bottom: 6px; }
th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid #e8eaed; white-space: nowrap; }
thead th { color: #5f6368; font-weight: normal; vertical-align: bottom; }
th:first-child { text-align: left; }
tbody th { font-weight: normal; }
td { color: #202124; }
@media print { main { padding: 0; } h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
`;
