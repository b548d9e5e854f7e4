// The demo's promise: a submission as long as its sample, and an out-of-fold AUC for `any` of at least 0.80.
import { readFileSync } from 'node:fs';

const lines = (file) => readFileSync(file, 'utf8').trimEnd().split('\n').length;
const sample = lines('out/phantom/stage_2_sample_submission.csv');
if (lines('out/submission.csv') !== sample) throw new Error('out/submission.csv is not as long as its sample');

const metrics = JSON.parse(readFileSync('out/report/metrics.json', 'utf8'));
const auc = metrics.ensemble.classes.any.auc.value;
console.log(`out-of-fold AUC for any: ${auc}`);
if (!(auc >= 0.8)) throw new Error('the out-of-fold AUC for any is below 0.80');
