// Which images stand beside which: every image with the slice above and the slice below it in its series.
import { defineTask } from '../engine/task.ts';
import { triplets } from './imaging/triplets.ts';
import { writeCsv } from './tables/csv.ts';
import { readMetadataColumns } from './tables/metadata.ts';

export default defineTask({
  async run(ctx) {
    const slices = await readMetadataColumns(ctx.input('table'), [
      'Image',
      'StudyInstanceUID',
      'SeriesInstanceUID',
      'ImagePositionPatient_2',
    ]);
    writeCsv(ctx.output('csv'), ['red', 'green', 'blue'], triplets(slices));
    ctx.log(`${slices.length} triplets`);
  },
});
