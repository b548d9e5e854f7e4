// Training and validation loss by epoch: one panel a model, one colour a fold.
import { PALETTE } from './style.ts';

export interface LossPoint {
  readonly model: string;
  readonly fold: string;
  readonly epoch: number;
  readonly trainLoss: number;
  readonly validLoss: number;
  readonly lr?: number | undefined;
}

const SOLID = [1, 0];
const DASHED = [5, 4];

/** A Vega-Lite specification of the learning rate by epoch, a line a model: the folds share a schedule. */
export function learningRatePlot(points: readonly LossPoint[]): object {
  const models = [...new Set(points.map((point) => point.model))];
  const values = points.filter(({ lr }) => lr !== undefined).map(({ model, epoch, lr }) => ({ model, epoch, lr }));
  return {
    title: 'Learning rate',
    data: { values },
    width: 400,
    height: 140,
    mark: { type: 'line', strokeWidth: 2, point: { size: 24, filled: true } },
    encoding: {
      x: { field: 'epoch', type: 'quantitative', title: 'Epoch', axis: { tickMinStep: 1, format: 'd', grid: false } },
      y: { field: 'lr', type: 'quantitative', title: null, axis: { format: '.1e', tickCount: 4 }, aggregate: 'max' },
      color: {
        field: 'model',
        type: 'nominal',
        title: 'Model',
        sort: models,
        legend: { symbolType: 'stroke', orient: 'bottom', direction: 'vertical' },
        scale: { domain: models, range: models.map((_, i) => PALETTE[(i + 1) % PALETTE.length]) },
      },
    },
  };
}

/** A Vega-Lite specification. Panels keep the order of the points. */
export function lossPlot(points: readonly LossPoint[]): object {
  const models = [...new Set(points.map((point) => point.model))];
  const folds = [...new Set(points.map((point) => point.fold))];
  const values = points.flatMap(({ model, fold, epoch, trainLoss, validLoss }) => [
    { model, fold, epoch, loss: trainLoss, set: 'training' },
    { model, fold, epoch, loss: validLoss, set: 'validation' },
  ]);
  return {
    title: 'Loss by epoch',
    data: { values },
    facet: { field: 'model', type: 'nominal', title: null, sort: models, header: { labelAnchor: 'start' } },
    columns: Math.min(models.length, 3),
    spacing: 24,
    spec: {
      width: models.length === 1 ? 480 : 320,
      height: 240,
      encoding: {
        x: {
          field: 'epoch',
          type: 'quantitative',
          title: 'Epoch',
          axis: { tickMinStep: 1, format: 'd', grid: false, labelFlush: false },
        },
        y: { field: 'loss', type: 'quantitative', title: 'Weighted log loss', scale: { zero: false, nice: true } },
        color: {
          field: 'fold',
          type: 'nominal',
          title: 'Fold',
          sort: folds,
          legend: { symbolSize: 80 },
          scale: { domain: folds, range: folds.map((_, i) => PALETTE[(i + 1) % PALETTE.length]) },
        },
      },
      layer: [
        {
          mark: { type: 'line', strokeWidth: 2 },
          encoding: {
            strokeDash: {
              field: 'set',
              type: 'nominal',
              title: 'Images',
              scale: { domain: ['validation', 'training'], range: [SOLID, DASHED] },
            },
          },
        },
        // A layer of its own: points drawn by the line's mark would take the dashes out of the legend.
        { mark: { type: 'point', filled: true, size: 24, opacity: 1 } },
      ],
    },
  };
}
