// Draws a Vega-Lite specification as SVG text, without a browser.
import * as vega from 'vega';
import * as vegaLite from 'vega-lite';
import { CONFIG } from './style.ts';

/** The same specification gives the same text in every process: no identifiers are left over from an earlier plot. */
export async function drawSvg(spec: object): Promise<string> {
  const whole = { $schema: 'https://vega.github.io/schema/vega-lite/v6.json', ...spec, config: CONFIG };
  const compiled = vegaLite.compile(whole as unknown as vegaLite.TopLevelSpec);
  vega.resetSVGDefIds();
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}
