// Numbers as the file writes them: which of them JavaScript holds only as another number, and which a text made of the number
// would not show as they are written.

interface Loss {
  readonly message: string;
  /** What may be written, for the same number. */
  readonly instead?: string;
}

/**
 * What is lost of a number, or undefined. A fraction survives when its digits are those of the shortest text that gives the
 * same number back; a whole number when it has neighbours, since beyond 2^53 two of them are one.
 */
export function lossOf(text: string, value: number): Loss | undefined {
  if (!Number.isFinite(value)) return { message: `${text} cannot be a value: JSON has no such number` };
  const shown = String(value);
  const become = shown === text ? '' : `: it would be ${shown}`;
  if (WHOLE.test(text)) {
    if (Number.isSafeInteger(value)) return undefined;
    return { message: `${text} is beyond 2^53, where whole numbers run together${become}` };
  }
  if (shown === text || digitsOf(text) === digitsOf(shown)) return undefined;
  return { message: `${text} is not exact as a number${become}`, instead: shown };
}

const WHOLE = /^[-+]?\d+$|^0[ox]/;

/** The digits from the first to the last that is not 0, and the power of ten of the last. */
function digitsOf(text: string): string {
  const [mantissa = '', exponent = '0'] = text.replace(/^[-+]/, '').split(/e/i);
  const [whole = '', fraction = ''] = mantissa.split('.');
  const all = (whole + fraction).replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  return digits === '' ? '0' : `${digits}e${Number(exponent) - fraction.length + all.length - digits.length}`;
}

/**
 * Whether a person may have meant the text: `007`, `3.10`, `0x1F`, `+1`, `-0`, `True`. Not `1e-3` or `.5`, which mean their numbers
 * and nothing else.
 */
export function looksLikeText(text: string, value: number | boolean): boolean {
  if (typeof value === 'boolean') return text !== String(value);
  return text !== String(value) && /^[-+]?0[\dox]|^\+|\.\d*0$|^-0?\.?0*$/.test(text);
}
