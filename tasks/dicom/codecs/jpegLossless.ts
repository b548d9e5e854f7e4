// JPEG lossless (ISO 10918-1, annex H), all seven predictors, point transform and restarts. Ours, because the package for it,
// jpeg-lossless-decoder-js 2.1.2, gives zeros for the rest of a stream that was cut off, ignores the point transform, and
// halves predictor 7 in floating point.
import { BitReader } from './jpegBits.ts';
import { readJpegScan } from './jpegStream.ts';

/** Samples of 2 to 16 bits; the stream has one component. */
export function decodeJpegLossless(stream: Uint8Array): Uint16Array {
  const { header, dc, predictor, pointTransform, restartInterval, start } = readJpegScan(stream);
  const { rows, columns } = header;
  if (!dc || predictor < 1 || predictor > 7) throw new Error('its lossless JPEG scan is damaged');
  if (restartInterval % columns !== 0) throw new Error('its JPEG restarts are not at the beginning of rows');
  const rowsPerRestart = restartInterval / columns || rows;
  const bits = new BitReader(stream, start);
  const samples = new Uint16Array(rows * columns);
  const first = 1 << (header.bits - pointTransform - 1);
  for (let row = 0, at = 0; row < rows; row++) {
    const isFirst = row % rowsPerRestart === 0;
    if (isFirst && row > 0) bits.restart();
    for (let column = 0; column < columns; column++, at++) {
      let prediction: number;
      if (column === 0) prediction = isFirst ? first : samples[at - columns]!;
      else if (isFirst) prediction = samples[at - 1]!;
      else prediction = predict(predictor, samples[at - 1]!, samples[at - columns]!, samples[at - columns - 1]!);
      const size = bits.symbol(dc);
      if (size > 16) throw new Error('its JPEG data are damaged (a difference of more than 16 bits)');
      // Assignment keeps the low 16 bits: differences are modulo 65,536. 16 stands for 32,768, and no bits follow.
      samples[at] = prediction + (size === 0 ? 0 : size === 16 ? 32_768 : bits.signed(size));
    }
  }
  if (pointTransform > 0) for (let i = 0; i < samples.length; i++) samples[i]! <<= pointTransform;
  return samples;
}

/** Table H.1, from the samples to the left, above, and above to the left. */
function predict(predictor: number, left: number, above: number, corner: number): number {
  switch (predictor) {
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return corner;
    case 4:
      return left + above - corner;
    case 5:
      return left + ((above - corner) >> 1);
    case 6:
      return above + ((left - corner) >> 1);
    default:
      return (left + above) >> 1;
  }
}
