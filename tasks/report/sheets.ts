// The report's sheets of pictures: what was found, what was missed, and what the crop takes away.
import { CLASSES } from '../classes.ts';
import type { Example, Pictures } from './findings.ts';
import { type Card, section, sheet } from './html.ts';
import { digits } from './numbers.ts';

export function examplesSection({ examples, crops }: Pictures): string {
  const shown = examples.flatMap(({ name, shown: list }) => list.map((example) => exampleCard(example, name)));
  const pairs = crops.map(({ image, whole, cropped }): Card => {
    return {
      pictures: [
        { uri: whole, alt: `${image}, whole` },
        { uri: cropped, alt: `${image}, cropped` },
      ],
      lines: [`${image}: whole, then cropped to the head`],
    };
  });
  return section(
    'examples',
    'Examples',
    '<p>The most certain right answers, of two patients for each kind of bleeding and for none.</p>',
    sheet(shown),
    pairs.length > 0
      ? '<h3>Crop</h3><p>Three windows as red, green and blue (brain, subdural, bone), before and after the crop to the head.</p>'
      : '',
    pairs.length > 0 ? sheet(pairs, 'pairs') : '',
  );
}

export function worstSection({ worst }: Pictures): string {
  return section(
    'errors',
    'Worst errors',
    '<p>The images that cost the metric most, one a patient. Below each: what it is labelled, and what was predicted.</p>',
    sheet(worst.map((example) => exampleCard(example, undefined))),
  );
}

function exampleCard({ image, picture, truth, values, loss }: Example, name: string | undefined): Card {
  const predicted = CLASSES.map((each, c) => ({ each, p: values[c]! })).slice(1);
  const likely = predicted.filter(({ p }) => p >= 0.2).sort((a, b) => b.p - a.p);
  const said = [`any ${digits(values[0], 2)}`, ...likely.slice(0, 3).map(({ each, p }) => `${each} ${digits(p, 2)}`)];
  const lines = [
    image,
    `labelled ${truth.length > 0 ? truth.join(', ') : 'none'}`,
    `predicted ${said.join(', ')}`,
    ...(name === undefined ? [`loss ${digits(loss, 2)}`] : []),
  ];
  return { pictures: picture === undefined ? [] : [{ uri: picture, alt: `${image}, ${lines[1]}` }], lines };
}

/** The names of the subtypes that row `row` is labelled with. */
export function truthOf(labels: Uint8Array, row: number): string[] {
  return CLASSES.filter((_, c) => c > 0 && labels[row * CLASSES.length + c] === 1);
}
