// Who is scanned, how often, how, and with what bleeding: everything about a study that is drawn before its slices.
import { hexOf, uidOf } from '../dicom/uid.ts';
import { encodeDicom } from '../dicom/write.ts';
import { drawHead } from './anatomy.ts';
import { BLEEDING_KINDS, type Bleeding, type BleedingKind, drawBleeding } from './bleeding.ts';
import { below, type Random, randomFor, shuffle, uniform } from './random.ts';
import { CONVENTIONS, CT_IMAGE_STORAGE, sliceElements } from './scanner.ts';
import { drawSlice, type Grid, type Pose } from './slice.ts';

export interface DrawnImage {
  /** `ID_` and nine hexadecimal digits, as in the competition. */
  readonly name: string;
  readonly kinds: ReadonlySet<BleedingKind>;
  readonly file: Buffer;
}

const FIELD_OF_VIEW_MM = 260;
const SPACING_Z_MM = 5;

/** How many studies a patient has: most one, some two, a few three. */
export function studiesOf(seed: number, patient: number): number {
  const chance = randomFor(seed, 'studies', patient)();
  return chance < 0.72 ? 1 : chance < 0.93 ? 2 : 3;
}

/** Draws one study's files, lowest slice first. `size` is the number of rows, and of columns where the image is square. */
export function drawStudy(seed: number, patient: number, study: number, size: number): DrawnImage[] {
  const random = randomFor(seed, 'study', patient, study);
  const head = drawHead(randomFor(seed, 'head', patient));
  const slices = 10 + below(random, 7);
  const lowest = uniform(random, -34, -24);
  const bleedings = drawBleedings(random, lowest, lowest + (slices - 1) * SPACING_Z_MM);
  const scan = drawScan(random, size);
  return Array.from({ length: slices }, (_, k) => {
    const id = `${seed}/${patient}/${study}/${k}`;
    const { hu, kinds } = drawSlice(
      head,
      bleedings,
      lowest + k * SPACING_Z_MM,
      scan.pose,
      scan.grid,
      randomFor('slice', id),
    );
    const sopInstanceUid = uidOf(`image/${id}`);
    const elements = sliceElements({
      ...scan,
      ...scan.grid,
      hu,
      sopInstanceUid,
      patientId: `ID_${hexOf(`patient/${seed}/${patient}`, 8)}`,
      studyUid: uidOf(`study/${seed}/${patient}/${study}`),
      seriesUid: uidOf(`series/${seed}/${patient}/${study}`),
      position: [scan.corner, scan.corner, scan.tableMm + k * SPACING_Z_MM],
    });
    const file = encodeDicom({ sopClassUid: CT_IMAGE_STORAGE, sopInstanceUid, elements });
    return { name: `ID_${hexOf(`image/${id}`, 9)}`, kinds, file };
  });
}

/** A quarter of the studies are without bleeding; the others have one kind, seldom two, each once. */
function drawBleedings(random: Random, low: number, high: number): Bleeding[] {
  const chance = random();
  const count = chance < 0.25 ? 0 : chance < 0.78 ? 1 : 2;
  const kinds = shuffle(random, [...BLEEDING_KINDS]).slice(0, count);
  return kinds.map((kind) => drawBleeding(random, kind, low, high));
}

function drawScan(random: Random, size: number) {
  const spacingMm = FIELD_OF_VIEW_MM / size;
  // An odd difference, so that padding to a square has to round.
  const columns = random() < 0.15 ? size - Math.floor(size / 8) - 1 : size;
  const grid: Grid = { rows: size, columns, spacingMm };
  const turn = uniform(random, -0.06, 0.06); // Tangent of half the angle: up to 7 degrees.
  const pose: Pose = {
    xMm: uniform(random, -7, 7),
    yMm: uniform(random, -12, -6),
    cos: (1 - turn * turn) / (1 + turn * turn),
    sin: (2 * turn) / (1 + turn * turn),
  };
  const gantry = uniform(random, -0.1, 0.1);
  return {
    grid,
    pose,
    convention: CONVENTIONS[below(random, CONVENTIONS.length)]!,
    manyWindows: random() < 0.25,
    tableMm: Math.round(uniform(random, -200, 200) * 10) / 10,
    corner: -FIELD_OF_VIEW_MM / 2 + spacingMm / 2,
    orientation: [1, 0, 0, 0, (1 - gantry * gantry) / (1 + gantry * gantry), (-2 * gantry) / (1 + gantry * gantry)],
  };
}
