// Before any training: would the submission come out whole? Arranges a dummy prediction of every test image that has metadata
// by the sample submission, with the code that arranges the real one at the end. A test image that was put aside as broken
// is found out here, and not after days.
import { writeFileSync } from 'node:fs';
import { defineTask } from '../engine/task.ts';
import { arrange } from './submission/arrange.ts';
import { readMetadataColumns } from './tables/metadata.ts';

export default defineTask({
  async run(context) {
    const table = await readMetadataColumns(context.input('table'), ['Image']);
    const { ids, asked, extra } = arrange(
      context.input('sample'),
      table.map((row) => row.Image),
      'what cannot be predicted, for the image was put aside (see the quarantine) or is not there',
    );
    const report = { rows: ids.length, images: asked, left_out: extra.length };
    writeFileSync(context.output('report'), `${JSON.stringify(report, null, 2)}\n`);
    context.log(`${ids.length} IDs can be answered, for ${asked} images`);
  },
});
