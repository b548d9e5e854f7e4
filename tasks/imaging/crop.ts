// The head crop: the largest connected component with a margin of ten pixels, the head rest left behind.
import { type Box, largestComponent, type Planes } from './components.ts';

/** Interleaved 8-bit RGB, row-major (H,W,3). */
export interface RgbImage {
  readonly rows: number;
  readonly columns: number;
  readonly data: Uint8Array;
}

const MARGIN = 10;
const EMPTY_SIDE = 512;

/** Crops three channels of rows x columns to the head. Without any foreground: `emptyImage()`. */
export function cropHead(planes: Planes, rows: number, columns: number): RgbImage {
  const head = largestComponent(planes, rows, columns);
  return head ? interleave(planes, columns, withMargin(head, rows, columns)) : emptyImage();
}

/** What stands for an image without foreground or without readable pixels: 512 x 512 zeros, as the reference has it. */
export function emptyImage(): RgbImage {
  return { rows: EMPTY_SIDE, columns: EMPTY_SIDE, data: new Uint8Array(EMPTY_SIDE * EMPTY_SIDE * 3) };
}

function withMargin({ top, bottom, left, right }: Box, rows: number, columns: number): Box {
  return {
    top: Math.max(top - MARGIN, 0),
    bottom: Math.min(bottom + MARGIN, rows),
    left: Math.max(left - MARGIN, 0),
    right: Math.min(right + MARGIN, columns),
  };
}

function interleave(planes: Planes, width: number, { top, bottom, left, right }: Box): RgbImage {
  const [red, green, blue] = planes as [Uint8Array, Uint8Array, Uint8Array];
  const data = new Uint8Array((bottom - top) * (right - left) * 3);
  for (let row = top, to = 0; row < bottom; row++) {
    for (let from = row * width + left; from < row * width + right; from++, to += 3) {
      data[to] = red[from]!;
      data[to + 1] = green[from]!;
      data[to + 2] = blue[from]!;
    }
  }
  return { rows: bottom - top, columns: right - left, data };
}
