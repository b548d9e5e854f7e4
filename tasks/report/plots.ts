// The report's plots, as SVG.
import { CLASSES } from '../classes.ts';
import { prCurve, rocCurve } from '../metrics.ts';
import { calibrationBins, calibrationPlot } from '../plots/calibration.ts';
import { type LossPoint, learningRatePlot, lossPlot } from '../plots/loss.ts';
import { precisionRecallPlot, rocPlot } from '../plots/roc.ts';
import { drawSvg } from '../plots/svg.ts';
import type { Findings, Plots } from './findings.ts';
import type { Scored } from './pictures.ts';
import { column, labelColumn } from './scores.ts';

export async function drawPlots(
  { values, labels }: Scored,
  { ensemble }: Findings,
  histories: readonly LossPoint[],
): Promise<Plots> {
  const columns = CLASSES.map((name, c) => ({ name, scores: column(values, c), labels: labelColumn(labels, c) }));
  const curves = columns.map(({ name, scores, labels: own }) => ({
    roc: { name, area: ensemble.classes[name].auc.value, curve: rocCurve(scores, own) },
    pr: { name, area: ensemble.classes[name].averagePrecision.value, curve: prCurve(scores, own) },
  }));
  return {
    loss: await drawSvg(lossPlot(histories)),
    learning_rate: await drawSvg(learningRatePlot(histories)),
    roc: await drawSvg(rocPlot(curves.map(({ roc }) => roc))),
    precision_recall: await drawSvg(precisionRecallPlot(curves.map(({ pr }) => pr))),
    calibration: await drawSvg(
      calibrationPlot(columns.flatMap(({ name, scores, labels: own }) => calibrationBins(name, scores, own))),
    ),
  };
}
