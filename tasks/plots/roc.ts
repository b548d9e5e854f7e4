// The ROC curves of all classes in one square plot.
import type { Curve } from '../metrics.ts';
import { GREY, PALETTE } from './style.ts';

export interface NamedCurve {
  readonly name: string;
  readonly auc: number | null;
  readonly curve: Curve;
}

/** More points than the plot has pixels tell nothing. */
const MOST_POINTS = 400;

/** A Vega-Lite specification. A class without positives or without negatives is in the legend, without a curve. */
export function rocPlot(curves: readonly NamedCurve[], title: string): object {
  const labels = curves.map(({ name, auc }) => `${name}  ${auc === null ? '(one class only)' : auc.toFixed(3)}`);
  const values = curves.flatMap(({ curve }, i) =>
    thinned(curve).map(([fpr, tpr], at) => ({ label: labels[i], fpr, tpr, at })),
  );
  const rate = {
    type: 'quantitative',
    scale: { domain: [0, 1] },
    axis: { format: '.0%', tickCount: 5, labelFlush: false },
  };
  return {
    title,
    width: 420,
    height: 420,
    layer: [
      {
        data: {
          values: [
            { fpr: 0, tpr: 0 },
            { fpr: 1, tpr: 1 },
          ],
        },
        mark: { type: 'line', color: GREY, strokeDash: [4, 4], strokeWidth: 1 },
        encoding: { x: { field: 'fpr', ...rate }, y: { field: 'tpr', ...rate } },
      },
      {
        data: { values },
        mark: { type: 'line', interpolate: 'linear', strokeWidth: 2, strokeJoin: 'round' },
        encoding: {
          x: { field: 'fpr', title: 'False positive rate (1 − specificity)', ...rate },
          y: { field: 'tpr', title: 'True positive rate (sensitivity)', ...rate },
          order: { field: 'at', type: 'quantitative' },
          color: {
            field: 'label',
            type: 'nominal',
            title: 'AUC',
            sort: labels,
            scale: { domain: labels, range: labels.map((_, i) => PALETTE[i % PALETTE.length]) },
            legend: { symbolType: 'stroke' },
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
