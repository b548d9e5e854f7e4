// ROC and precision-recall curves of all classes, each in one square plot.
import type { Curve } from '../metrics.ts';
import { GREY, PALETTE } from './style.ts';

export interface NamedCurve {
  readonly name: string;
  /** Area under the curve, or average precision. */
  readonly area: number | null;
  readonly curve: Curve;
}

/** More points than the plot has pixels tell nothing. */
const MOST_POINTS = 400;

/** A Vega-Lite specification. A class without positives or without negatives is in the legend, without a curve. */
export function rocPlot(curves: readonly NamedCurve[]): object {
  const chance = [
    [0, 0],
    [1, 1],
  ];
  return squarePlot(curves, {
    title: 'ROC',
    x: 'False positive rate (1 − specificity)',
    y: 'True positive rate (sensitivity)',
    area: 'AUC',
    reference: chance,
  });
}

/** A Vega-Lite specification; see `rocPlot`. */
export function precisionRecallPlot(curves: readonly NamedCurve[]): object {
  return squarePlot(curves, {
    title: 'Precision and recall',
    x: 'Recall (sensitivity)',
    y: 'Precision (positive predictive value)',
    area: 'Average precision',
    reference: [],
  });
}

function squarePlot(
  curves: readonly NamedCurve[],
  text: { title: string; x: string; y: string; area: string; reference: number[][] },
): object {
  const labels = curves.map(({ name, area }) => `${name}  ${area === null ? '–' : area.toFixed(3)}`);
  const values = curves.flatMap(({ curve }, i) => thinned(curve).map(([x, y], at) => ({ label: labels[i], x, y, at })));
  const share = {
    type: 'quantitative',
    scale: { domain: [0, 1] },
    axis: { format: '.0%', tickCount: 5, labelFlush: false },
  };
  return {
    title: text.title,
    width: 360,
    height: 360,
    layer: [
      {
        data: { values: text.reference.map(([x, y]) => ({ x, y })) },
        mark: { type: 'line', color: GREY, strokeDash: [4, 4], strokeWidth: 1 },
        encoding: { x: { field: 'x', ...share }, y: { field: 'y', ...share } },
      },
      {
        data: { values },
        mark: { type: 'line', interpolate: 'linear', strokeWidth: 2, strokeJoin: 'round' },
        encoding: {
          x: { field: 'x', title: text.x, ...share },
          y: { field: 'y', title: text.y, ...share },
          order: { field: 'at', type: 'quantitative' },
          color: {
            field: 'label',
            type: 'nominal',
            title: text.area,
            sort: labels,
            scale: { domain: labels, range: labels.map((_, i) => PALETTE[i % PALETTE.length]) },
            legend: { symbolType: 'stroke', orient: 'bottom', columns: 2, direction: 'vertical' },
          },
        },
      },
    ],
  };
}

/** The corners of the curve, no two closer than a pixel: straight runs keep their ends only. */
function thinned({ x, y }: Curve): [number, number][] {
  const points: [number, number][] = [];
  for (let i = 0; i < x.length; i++) {
    const last = points.at(-1);
    const isEnd = i === 0 || i === x.length - 1;
    const near = last !== undefined && Math.abs(x[i]! - last[0]) + Math.abs(y[i]! - last[1]) < 1 / MOST_POINTS;
    const straight = !isEnd && ((x[i - 1] === x[i] && x[i] === x[i + 1]) || (y[i - 1] === y[i] && y[i] === y[i + 1]));
    if (isEnd || !(near || straight)) points.push([x[i]!, y[i]!]);
  }
  return points;
}
