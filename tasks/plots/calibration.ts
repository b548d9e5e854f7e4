// Reliability diagrams: how often a class is there among images that were given about the same probability.
import { GREY, PALETTE } from './style.ts';

export interface CalibrationBin {
  readonly name: string;
  /** The mean predicted probability, and the share of positives. */
  readonly predicted: number;
  readonly observed: number;
  readonly images: number;
}

/** Bins of equal width for one class; empty ones are left out. Probabilities and labels are (N,). */
export function calibrationBins(
  name: string,
  p: ArrayLike<number>,
  labels: ArrayLike<number>,
  bins = 10,
): CalibrationBin[] {
  const sums = Array.from({ length: bins }, () => ({ predicted: 0, observed: 0, images: 0 }));
  for (let i = 0; i < labels.length; i++) {
    const bin = sums[Math.min(Math.floor(p[i]! * bins), bins - 1)]!;
    bin.predicted += p[i]!;
    bin.observed += labels[i]!;
    bin.images++;
  }
  return sums
    .filter((bin) => bin.images > 0)
    .map(({ predicted, observed, images }) => ({
      name,
      predicted: predicted / images,
      observed: observed / images,
      images,
    }));
}

/** A Vega-Lite specification: a panel a class, in the order of the bins. */
export function calibrationPlot(bins: readonly CalibrationBin[]): object {
  const names = [...new Set(bins.map((bin) => bin.name))];
  const share = {
    type: 'quantitative',
    scale: { domain: [0, 1] },
    axis: { format: '.0%', tickCount: 3, labelFlush: false },
  };
  const diagonal = names.flatMap((name) => [
    { name, x: 0, y: 0 },
    { name, x: 1, y: 1 },
  ]);
  const values = [...bins.map((bin) => ({ ...bin, x: bin.predicted, y: bin.observed, line: 'class' })), ...diagonal];
  return {
    title: 'Calibration',
    data: { values },
    facet: { field: 'name', type: 'nominal', title: null, sort: names, header: { labelAnchor: 'start' } },
    columns: 3,
    spacing: 32,
    spec: {
      width: 200,
      height: 200,
      encoding: { x: { field: 'x', title: 'Predicted', ...share }, y: { field: 'y', title: 'Observed', ...share } },
      layer: [
        {
          transform: [{ filter: 'datum.line !== "class"' }],
          mark: { type: 'line', color: GREY, strokeDash: [4, 4], strokeWidth: 1 },
        },
        {
          transform: [{ filter: 'datum.line === "class"' }],
          mark: { type: 'line', color: PALETTE[6], strokeWidth: 1.5 },
        },
        {
          transform: [{ filter: 'datum.line === "class"' }],
          mark: { type: 'point', filled: true, color: PALETTE[6], opacity: 1 },
          encoding: {
            size: {
              field: 'images',
              type: 'quantitative',
              title: 'Images',
              scale: { type: 'log', range: [15, 160] },
              legend: {
                orient: 'bottom',
                tickCount: 3,
                format: 's',
                symbolFillColor: PALETTE[6],
                symbolStrokeWidth: 0,
              },
            },
          },
        },
      ],
    },
  };
}
