// The report: metrics.json, the plots as SVG and PNG, and one self-contained index.html, all from out-of-fold predictions.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import * as z from 'zod';
import { defineTask } from '../engine/task.ts';
import { gather, metricsOf } from './report/gather.ts';
import { readHistories } from './report/history.ts';
import { patientsOf } from './report/inputs.ts';
import { reportPage } from './report/page.ts';
import { drawPictures, type Scored } from './report/pictures.ts';
import { drawPlots } from './report/plots.ts';
import type { Draws } from './statistics/draws.ts';
import { labelsOf, readLabels } from './tables/labels.ts';
import { readPredictions } from './tables/predictions.ts';

export { scoreClass } from './report/scores.ts';

const REPLICATES = 1000;

const params = z.object({
  seed: z.int(),
  settings: z.record(z.string(), z.unknown()),
  models: z.array(z.record(z.string(), z.unknown())),
});

export default defineTask({
  params,
  async run(context) {
    const ensemble = readPredictions(context.input('ensemble'));
    const labels = labelsOf(ensemble.images, readLabels(context.input('labels')));
    const set: Scored = { ...ensemble, labels };
    const patients = await patientsOf(ensemble.images, context.input('table'));
    const draws: Draws = { ...patients, replicates: REPLICATES, seed: context.params.seed };
    const histories = readHistories(context.inputs('history'));

    const findings = await gather(set, draws, histories, context.bundle, context);
    const plots = await drawPlots(set, findings, histories);
    const pictures = await drawPictures(set, draws.groupOf, {
      png: context.input('png'),
      images: context.input('images'),
    });

    const folder = context.output('report');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'metrics.json'), `${JSON.stringify(metricsOf(findings), null, 2)}\n`);
    for (const [name, svg] of Object.entries(plots)) {
      writeFileSync(join(folder, `${name}.svg`), svg);
      await sharp(Buffer.from(svg), { density: 144 })
        .png()
        .toFile(join(folder, `${name}.png`));
    }
    writeFileSync(join(folder, 'index.html'), reportPage(findings, plots, pictures));
    context.metric('loss', findings.ensemble.weightedLogLoss.value ?? Number.NaN);
    context.metric('auc any', findings.ensemble.classes.any.auc.value ?? Number.NaN);
  },
});
